-- SPDX-License-Identifier: MPL-2.0
-- try: a long string, again and again
-- expect: instruction_limit exceeded
function process_message()
    while true do local n = #("x"):rep(1000) end
    return 0
end
