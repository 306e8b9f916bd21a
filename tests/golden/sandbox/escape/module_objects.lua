-- SPDX-License-Identifier: MPL-2.0
-- try: metatables of the modules' objects, and their methods on others'
-- expect: contained
require "circular_buffer"
require "hyperloglog"
require "sax"
require "lpeg"
function process_message()
    local cb, hll, p = circular_buffer.new(2, 1, 1), hyperloglog.new(), lpeg.P(1)
    for _, object in ipairs({cb, hll, sax.window.new(2, 2, 2)}) do
        if getmetatable(object) ~= nil then escaped() end
        if object.__gc or pcall(setmetatable, object, {}) then escaped() end
        object.__index.extra = 1
        if pcall(function() object.x = 1 end) then escaped() end
    end
    for _, other in ipairs({hll, p, {}, 1, "x", print or error}) do
        for _, method in ipairs({cb.add, cb.get, cb.format, cb.fromstring, cb.compute}) do
            if pcall(method, other, 1, 1, 1) then escaped() end
        end
        if pcall(hll.add, other ~= hll and other or cb, 1) then escaped() end
    end
    contained()
    return 0
end
