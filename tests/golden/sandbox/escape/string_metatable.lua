-- SPDX-License-Identifier: MPL-2.0
-- try: the metatable of strings
-- expect: contained
function process_message()
    local mt = getmetatable("")
    if type(mt) == "table" then escaped() end
    if pcall(setmetatable, "", {}) then escaped() end
    if pcall(function() getmetatable("").__index = nil end) then escaped() end
    contained()
    return 0
end
