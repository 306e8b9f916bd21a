-- SPDX-License-Identifier: MPL-2.0
-- try: a jump back
-- expect: instruction_limit exceeded
function process_message()
    ::again:: goto again
    return 0
end
