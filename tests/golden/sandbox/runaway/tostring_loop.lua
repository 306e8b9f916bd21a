-- SPDX-License-Identifier: MPL-2.0
-- try: __tostring that is tostring
-- expect: C stack overflow|instruction_limit exceeded|stack overflow
function process_message()
    local t = {}
    setmetatable(t, {__tostring = tostring})
    return tostring(t)
end
