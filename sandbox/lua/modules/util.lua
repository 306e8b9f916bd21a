-- SPDX-License-Identifier: MPL-2.0
--
-- util - small functions about tables.
require "string"
local cjson = require "cjson"

local M = {}

local function count_of(text, part)
    local count, at = 0, 1
    while part ~= "" do
        local first, last = string.find(text, part, at, true)
        if not first then break end
        count, at = count + 1, last + 1
    end
    return count
end

-- Puts what is in `tbl`, and in the tables in it, into `fields`: key "a.b" for tbl.a.b. `parent`:
-- what stands before all keys. `separator`: "." unless it is a string. Below `max_depth` levels a
-- table becomes its JSON. Userdata (as cjson.null) is left out.
function M.table_to_fields(tbl, fields, parent, separator, max_depth)
    separator = type(separator) == "string" and separator or "."
    for key, value in pairs(tbl) do
        local name = parent and (parent .. separator .. key) or key
        if type(value) ~= "table" then
            if type(value) ~= "userdata" then fields[name] = value end
        elseif type(max_depth) == "number" and count_of(name, separator) + 1 >= max_depth then
            fields[name] = cjson.encode(value)
        else
            M.table_to_fields(value, fields, name, separator, max_depth)
        end
    end
end

-- Takes the elements before `first` off the front of an array.
function M.behead_array(first, array)
    if first <= 1 then return end
    local length = #array
    for i = 1, length do
        array[i] = array[i + first - 1]
    end
end

return M
