-- SPDX-License-Identifier: MPL-2.0
-- try: __index functions without end
-- expect: stack overflow|instruction_limit exceeded|C stack overflow|not enough memory
function process_message()
    local t = {}
    setmetatable(t, {__index = function(t, k) return t[k .. 1] end})
    return t.x
end
