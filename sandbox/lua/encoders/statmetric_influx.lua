-- SPDX-License-Identifier: MPL-2.0
--
-- statmetric_influx - a statmetric message with its values in fields as JSON for InfluxDB 0.8.
local cjson = require "cjson"

local BYTES = 1 -- type of a field

function process_message()
    local seconds = tonumber(read_message("Fields[timestamp]"))
    if not seconds then return -1 end
    local series = {}
    while true do
        local kind, name, value = read_next_field()
        if not kind then break end
        if name ~= "timestamp" and kind ~= BYTES then
            series[#series + 1] = {name = name, columns = {"time", "value"},
                                   points = {{seconds * 1000, value}}}
        end
    end
    inject_payload("json", "influx_stats", cjson.encode(series))
    return 0
end
