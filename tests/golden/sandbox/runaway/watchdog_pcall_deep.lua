-- SPDX-License-Identifier: MPL-2.0
-- try: a recursion of pcall, without a limit
-- expect: stopped by the watchdog|C stack overflow
-- limits: instruction_limit=0
function process_message()
    local function f() pcall(f); pcall(f) end
    while true do f() end
    return 0
end
