-- SPDX-License-Identifier: MPL-2.0
--
-- http_status - a graph of HTTP statuses by their first digit.
-- Options: rows (1440), sec_per_row (60), status_field ("status"), anomaly_config, alert_throttle
-- (3600 s), preservation_version.
require "circular_buffer"
local alert = require "alert"
local graph = require "graph"

_PRESERVATION_VERSION = (read_config("preservation_version") or 0) + 1

local TITLE, UNKNOWN = "HTTP Status", 6
local field = "Fields[" .. (read_config("status_field") or "status") .. "]"

alert.set_throttle((read_config("alert_throttle") or 3600) * 1e9)
status = graph.new(TITLE, read_config("rows") or 1440, read_config("sec_per_row") or 60,
                   {{"HTTP_100"}, {"HTTP_200"}, {"HTTP_300"}, {"HTTP_400"}, {"HTTP_500"},
                    {"HTTP_UNKNOWN"}})

function process_message()
    local code = read_message(field)
    if type(code) ~= "number" then return -1 end
    local column = code / 100 -- its fraction is cut off
    status:add(read_message("Timestamp"), column >= 1 and column < UNKNOWN and column or UNKNOWN, 1)
    return 0
end

function timer_event(ns)
    graph.report(ns, TITLE, status)
end
