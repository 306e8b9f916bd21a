-- SPDX-License-Identifier: MPL-2.0
-- try: a handler that starts again
-- expect: instruction_limit exceeded
function process_message()
    local function f() while true do end end
    while true do xpcall(f, f) end
    return 0
end
