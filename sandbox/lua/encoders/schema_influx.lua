-- SPDX-License-Identifier: MPL-2.0
--
-- schema_influx - a message's headers and fields as JSON for InfluxDB 0.8: one series with a column
-- for each, or (multi_series) one series for each field.
-- Options: series ("series"; "%{Name}" is a header or a field); skip_fields: names, separated by
-- blanks; multi_series; exclude_base_fields: no headers.
local cjson = require "cjson"

local BYTES = 1 -- type of a field
local headers = {"Type", "Payload", "Hostname", "Pid", "Logger", "Severity", "EnvVersion"}

local series = read_config("series") or "series"
local multi_series = read_config("multi_series")
local has_headers = not read_config("exclude_base_fields")

local is_header, skipped = {}, {}
for _, name in ipairs(headers) do is_header[name] = true end
for name in (read_config("skip_fields") or ""):gmatch("%S+") do skipped[name] = true end

local used_headers = {}
for _, name in ipairs(headers) do
    if not skipped[name] then used_headers[#used_headers + 1] = name end
    skipped[name] = nil -- a field of that name is another thing
end

local function value_of(name)
    if is_header[name] then return read_message(name) end
    return read_message("Fields[" .. name .. "]") or "%{" .. name .. "}"
end

local function series_name()
    return (series:gsub("%%{([%w%p]-)}", value_of))
end

-- Calls visit(name, value, count, kind) for the fields that are not skipped.
local function each_field(visit)
    while true do
        local kind, name, value, _, count = read_next_field()
        if not kind then break end
        if not skipped[name] then visit(name, value, count, kind) end
    end
end

local function all_values(name, place, count)
    local values = {}
    for i = 1, count do values[i] = read_message("Fields[" .. name .. "]", place, i - 1) end
    return values
end

local function head()
    local columns, values = {"time"}, {read_message("Timestamp") / 1e6}
    if has_headers then
        for _, name in ipairs(used_headers) do
            columns[#columns + 1] = name
            values[#columns] = read_message(name) -- perhaps none
        end
    end
    return columns, values
end

local function one_series(columns, values)
    local seen = {}
    each_field(function(name, value, count, kind)
        if name == "Timestamp" or kind == BYTES then return end
        seen[name] = (seen[name] or 0) + 1
        columns[#columns + 1] = seen[name] > 1 and name .. seen[name] or name
        if count > 1 then value = all_values(name, seen[name] - 1, count) end
        values[#columns] = value
    end)
    return {{name = series_name(), columns = columns, points = {values}}}
end

-- A copy of the first `size` elements, some of which may be nil, and one more.
local function with(list, size, last)
    local copy = {}
    for i = 1, size do copy[i] = list[i] end
    copy[size + 1] = last
    return copy
end

local function many_series(columns, values)
    local found, stem = {}, series_name()
    each_field(function(name, value)
        found[#found + 1] = {name = stem .. "." .. name, columns = with(columns, #columns, "value"),
                             points = {with(values, #columns, value)}}
    end)
    return found
end

function process_message()
    local columns, values = head()
    local build = multi_series and many_series or one_series
    inject_payload("json", "influx_message", cjson.encode(build(columns, values)))
    return 0
end
