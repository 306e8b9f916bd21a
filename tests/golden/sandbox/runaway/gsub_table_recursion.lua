-- SPDX-License-Identifier: MPL-2.0
-- try: gsub whose table is an __index of gsub
-- expect: C stack overflow|instruction_limit exceeded
function process_message()
    local t = {}
    setmetatable(t, {__index = function() return (("x"):gsub("x", t)) end})
    return (("x"):gsub("x", t))
end
