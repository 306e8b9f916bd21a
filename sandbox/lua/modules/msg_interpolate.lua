-- SPDX-License-Identifier: MPL-2.0
--
-- msg_interpolate - texts with values of the message that is being processed.
require "os"
require "string"
local M = {}

local headers = {Type = "Type", Hostname = "Hostname", Pid = "Pid", UUID = "Uuid",
                 Logger = "Logger", EnvVersion = "EnvVersion", Severity = "Severity"}

-- The header of that name, else the field, else what strftime() makes of it (at `seconds`, or now);
-- nil when it makes nothing of it.
local function value_of(name, seconds)
    if headers[name] then return read_message(headers[name]) end
    local value = read_message("Fields[" .. name .. "]")
    if type(value) == "boolean" then return tostring(value) end
    if value then return value end
    local text = os.date(name, seconds)
    return text ~= name and text or nil
end

-- Puts values in the place of each "%{name}" of `text`; what has none stays as it is. Also returns
-- how many there were.
function M.interpolate_from_msg(text, seconds)
    return string.gsub(text, "%%{(.-)}", function(name) return value_of(name, seconds) end)
end

return M
