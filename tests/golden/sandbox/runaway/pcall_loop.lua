-- SPDX-License-Identifier: MPL-2.0
-- try: a loop that catches the error
-- expect: instruction_limit exceeded
function process_message()
    while true do pcall(function() while true do end end) end
    return 0
end
