-- SPDX-License-Identifier: MPL-2.0
--
-- loadavg - a graph of what the decoder linux_loadavg finds.
-- Options: rows (1440), sec_per_row (60), anomaly_config, preservation_version.
require "circular_buffer"
local graph = require "graph"

_PRESERVATION_VERSION = read_config("preservation_version") or 0

local TITLE = "LoadAvg Stats"
local names = {"1MinAvg", "5MinAvg", "15MinAvg", "NumProcesses"}
local columns = {}
for i, name in ipairs(names) do columns[i] = {name, "Count", "max"} end
cbuf = graph.new(TITLE, read_config("rows") or 1440, read_config("sec_per_row") or 60, columns)

function process_message()
    return graph.set_fields(cbuf, read_message("Timestamp"), names) and 0 or -1
end

function timer_event(ns)
    graph.report(ns, TITLE, cbuf)
end
