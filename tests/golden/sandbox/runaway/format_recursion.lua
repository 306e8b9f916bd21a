-- SPDX-License-Identifier: MPL-2.0
-- try: format in __tostring of what is formatted
-- expect: C stack overflow|instruction_limit exceeded|stack overflow|error in error
function process_message()
    local t = {}
    setmetatable(t, {__tostring = function() return ("%s"):format(t) end})
    return tostring(t)
end
