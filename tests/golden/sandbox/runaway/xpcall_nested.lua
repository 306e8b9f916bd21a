-- SPDX-License-Identifier: MPL-2.0
-- try: a recursion of xpcall
-- expect: instruction_limit exceeded|C stack overflow
function process_message()
    local function f() xpcall(f, f) end
    while true do f() end
    return 0
end
