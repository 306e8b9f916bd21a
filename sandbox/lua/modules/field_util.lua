-- SPDX-License-Identifier: MPL-2.0
--
-- field_util - names of a message's headers and fields in configurations, and its time in other
-- units.
require "math"
local M = {}

M.base_fields_list = {EnvVersion = true, Hostname = true, Logger = true, Payload = true, Pid = true,
                      Severity = true, Type = true}
M.base_fields_tag_list = {Hostname = true, Logger = true, Severity = true, Type = true}

-- A set of the names in a text, separated by blanks; whether "**all_base**", and whether "**all**"
-- is among them, each of which adds all headers. No text: all headers.
function M.field_map(text)
    if not text or text == "" then return M.base_fields_list, true, false end
    local names = {}
    for name in text:gmatch("%S+") do names[name] = true end
    local all_base, all = names["**all_base**"] or false, names["**all**"] or false
    if all_base or all then
        for name in pairs(M.base_fields_list) do names[name] = true end
    end
    return names, all_base, all
end

-- Those of the headers that are in a set of names.
function M.used_base_fields(names)
    local used = {}
    for name in pairs(names and M.base_fields_list or {}) do
        if names[name] then used[name] = true end
    end
    return used
end

local units = {s = 1e9, m = 60e9, h = 3600e9}

-- The message's time in whole "s", "m", "h", or milliseconds.
function M.message_timestamp(precision)
    return math.floor(read_message("Timestamp") / (units[precision] or 1e6))
end

return M
