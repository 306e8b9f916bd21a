-- SPDX-License-Identifier: MPL-2.0
-- try: a loop with a number that does not grow
-- expect: instruction_limit exceeded
function process_message()
    for i = 2^53, 2^54 do end
    return 0
end
