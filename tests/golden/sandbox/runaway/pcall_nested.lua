-- SPDX-License-Identifier: MPL-2.0
-- try: a recursion of pcall that catches on each level
-- expect: instruction_limit exceeded|C stack overflow
function process_message()
    local function f() pcall(f) while true do end end
    f()
    return 0
end
