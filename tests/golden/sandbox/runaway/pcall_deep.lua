-- SPDX-License-Identifier: MPL-2.0
-- try: pcall in the tail, deeper and deeper
-- expect: instruction_limit exceeded|C stack overflow
function process_message()
    local function f() pcall(f); pcall(f); f() end
    f()
    return 0
end
