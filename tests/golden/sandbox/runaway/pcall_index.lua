-- SPDX-License-Identifier: MPL-2.0
-- try: __index and __call that are pcall
-- expect: C stack overflow|instruction_limit exceeded|stack overflow
function process_message()
    local t = {}
    setmetatable(t, {__index = pcall, __call = pcall})
    while true do local x = t.x end
    return 0
end
