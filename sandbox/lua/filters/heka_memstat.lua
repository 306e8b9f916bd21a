-- SPDX-License-Identifier: MPL-2.0
--
-- heka_memstat - a graph of the daemon's memory by its messages of type heka.memstat.
-- Options: rows (1440), sec_per_row (60), anomaly_config, preservation_version.
require "circular_buffer"
local graph = require "graph"

_PRESERVATION_VERSION = read_config("preservation_version") or 0

local TITLE = "Stats"
local names = {"HeapSys", "HeapAlloc", "HeapIdle", "HeapInuse", "HeapReleased", "HeapObjects"}
local columns = {}
for i, name in ipairs(names) do
    columns[i] = {name, name == "HeapObjects" and "count" or "B", "max"}
end
stats = graph.new(TITLE, read_config("rows") or 1440, read_config("sec_per_row") or 60, columns)

function process_message()
    local ns = read_message("Timestamp")
    for i, name in ipairs(names) do
        local value = read_message("Fields[" .. name .. "]")
        if type(value) == "number" then stats:set(ns, i, value) end
    end
    return 0
end

function timer_event(ns)
    graph.report(ns, TITLE, stats)
end
