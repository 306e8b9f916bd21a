-- SPDX-License-Identifier: MPL-2.0
-- try: an endless loop
-- expect: instruction_limit exceeded
function process_message()
    repeat until false
    return 0
end
