-- SPDX-License-Identifier: MPL-2.0
-- try: a protected metatable
-- expect: contained
function process_message()
    local t = setmetatable({}, {__metatable = "no"})
    if getmetatable(t) ~= "no" then escaped() end
    if pcall(setmetatable, t, {}) then escaped() end
    contained()
    return 0
end
