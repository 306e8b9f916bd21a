-- SPDX-License-Identifier: MPL-2.0
--
-- ts_line_protocol - the fields of the message that is being processed as points of a time series:
-- lines for Carbon, or of InfluxDB's line protocol.
--
-- A point's name is name_prefix (in which "%{...}" of msg_interpolate is replaced),
-- name_prefix_delimiter and the field's name; a field that is there again gets "_fidx_1", further
-- values of one "_vidx_1". With source_value_field there is one point, with that field's value,
-- under the prefix alone.
require "string"
require "table"
local field_util = require "field_util"
local interpolate = require "msg_interpolate"

local M = {}

local defaults = {
    carbon_format = false,
    decimal_precision = "6",
    name_prefix = false,
    name_prefix_delimiter = false,
    skip_fields_str = false,
    source_value_field = false,
    tag_fields_str = "**all_base**",
    timestamp_precision = "ms",
    value_field_key = "value",
}

-- Options of a plugin with our defaults, ready for the functions below.
function M.set_config(options)
    local config = {}
    for name, value in pairs(defaults) do config[name] = options[name] or value end
    if config.skip_fields_str then
        config.skip_fields, config.skip_fields_all_base =
            field_util.field_map(options.skip_fields_str)
        config.used_base_fields = field_util.used_base_fields(config.skip_fields)
    end
    config.used_tag_fields, config.tag_fields_all_base, config.tag_fields_all =
        field_util.field_map(options.tag_fields_str)
    config.interp_name_prefix =
        config.name_prefix and config.name_prefix:find("%%{[%w%p]-}") ~= nil or false
    return config
end

-- InfluxDB separates by blanks and commas.
local function escaped(value)
    return (tostring(value):gsub("[ ,]", "\\%0"))
end

local tag_headers = {"Hostname", "Logger", "Severity", "Type"}

local function header_tags(config)
    local tags = {}
    for _, name in ipairs(tag_headers) do
        if config.tag_fields_all or config.tag_fields_all_base or config.used_tag_fields[name] then
            tags[#tags + 1] = name .. "=" .. escaped(read_message(name))
        end
    end
    return tags
end

-- Calls visit(name, unique name, value) for each value of each field.
local function each_value(config, visit)
    local seen = {}
    for _, field in ipairs(decode_message(read_message("raw")).Fields or {}) do
        local name = config.carbon_format and field.name:gsub("%W", "_") or field.name
        local unique = name
        seen[name] = (seen[name] or -1) + 1
        if seen[name] > 0 then unique = unique .. "_fidx_" .. seen[name] end
        for i, value in ipairs(field.value) do
            if i > 1 then unique = unique .. "_vidx_" .. (i - 1) end
            visit(name, unique, value)
        end
    end
end

local function is_point(config, name)
    if config.source_value_field then return name == config.source_value_field end
    return not (config.skip_fields and config.skip_fields[name])
end

-- Points in the order of the fields, {name, value}, and tags as "key=value".
local function points_and_tags(config)
    local prefix = config.name_prefix or ""
    if config.interp_name_prefix then prefix = interpolate.interpolate_from_msg(prefix) end
    local stem = prefix .. (config.name_prefix_delimiter or "")
    local tags = config.carbon_format and {} or header_tags(config)
    local points, place = {}, {}
    each_value(config, function(name, unique, value)
        if not config.carbon_format and config.tag_fields_all or config.used_tag_fields[name] then
            tags[#tags + 1] = escaped(unique) .. "=" .. escaped(value)
        end
        if is_point(config, name) then
            local point = config.source_value_field and prefix or stem .. unique
            place[point] = place[point] or #points + 1
            points[place[point]] = {name = point, value = value}
        end
    end)
    return points, tags
end

-- An array of lines "name value time" of those values that are numbers, also as texts.
function M.carbon_line_msg(config)
    local lines, time = {}, field_util.message_timestamp(config.timestamp_precision)
    for _, point in ipairs((points_and_tags(config))) do
        local value = tostring(point.value)
        if value:find("^[%d.]+$") then
            lines[#lines + 1] = string.format("%s %s %s", point.name, value, time)
        end
    end
    return lines
end

-- Numbers always as floats, so that a series never changes its type.
local function influx_value(config, value)
    if type(value) == "number" then
        return string.format("%." .. config.decimal_precision .. "f", value)
    end
    if type(value) == "string" then return '"' .. value:gsub('"', '\\"') .. '"' end
    return tostring(value)
end

-- An array of lines "name,tags key=value time".
function M.influxdb_line_msg(config)
    local lines, time = {}, field_util.message_timestamp(config.timestamp_precision)
    local points, tags = points_and_tags(config)
    local suffix = #tags > 0 and "," .. table.concat(tags, ",") or ""
    for _, point in ipairs(points) do
        lines[#lines + 1] = string.format("%s%s %s=%s %d", escaped(point.name), suffix,
                                          config.value_field_key,
                                          influx_value(config, point.value), time)
    end
    return lines
end

return M
