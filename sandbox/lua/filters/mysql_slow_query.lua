-- SPDX-License-Identifier: MPL-2.0
--
-- mysql_slow_query - a graph of the averages of what the decoders of slow query logs find.
-- Options: rows (1440), sec_per_row (60), anomaly_config, preservation_version.
require "math"
require "circular_buffer"
local graph = require "graph"

_PRESERVATION_VERSION = read_config("preservation_version") or 0

local TITLE, COUNT = "Statistics", 5
local rows, seconds = read_config("rows") or 1440, read_config("sec_per_row") or 60
local names = {"Query_time", "Lock_time", "Rows_examined", "Rows_sent"}
local is_whole = {false, false, true, true}

data = graph.new(TITLE, rows, seconds,
                 {{"Query Time", "s", "none"}, {"Lock Time", "s", "none"},
                  {"Rows Examined", "count", "none"}, {"Rows Sent", "count", "none"}, {"Count"}})
sums = circular_buffer.new(rows, #names, seconds)

function process_message()
    local ns, values = read_message("Timestamp"), {}
    local count = data:add(ns, COUNT, 1)
    if not count then return 0 end -- older than all rows
    for i, name in ipairs(names) do
        values[i] = read_message("Fields[" .. name .. "]")
        if type(values[i]) ~= "number" then return -1 end
    end
    for i, value in ipairs(values) do
        local average = sums:add(ns, i, value) / count
        data:set(ns, i, is_whole[i] and math.floor(average) or average)
    end
    return 0
end

function timer_event(ns)
    graph.report(ns, TITLE, data)
end
