-- SPDX-License-Identifier: MPL-2.0
-- try: the tables that lpeg shows, changed, and its operators on other things
-- expect: contained
require "lpeg"
require "circular_buffer"
local is_done = false
function process_message()
    if is_done then return 0 end
    is_done = true
    local p = lpeg.P"a"
    local mt = getmetatable(p)
    if mt.__index or mt.__gc or mt.__metatable then escaped() end
    mt.__mul = function() escaped() end
    mt.__index = function() escaped() end
    mt.__gc = function() escaped() end
    local _ = p * p
    if pcall(setmetatable, p, {}) then escaped() end
    local cb = circular_buffer.new(2, 1, 1)
    for _, other in ipairs({cb, function() end, 1 / 0, 0 / 0, -1e300}) do
        pcall(mt.__pow, other, 1)
        pcall(mt.__pow, p, other)
        pcall(mt.__div, p, other)
        if pcall(mt.__sub, cb, other) or pcall(lpeg.match, cb, "x") then escaped() end
    end
    lpeg.match = nil
    if pcall(function() return p:match("a") end) then escaped() end
    contained()
    return 0
end
