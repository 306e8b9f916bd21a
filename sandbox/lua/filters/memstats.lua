-- SPDX-License-Identifier: MPL-2.0
--
-- memstats - a graph of what the decoder linux_memstats finds.
-- Options: rows (1440), sec_per_row (60), anomaly_config, preservation_version.
require "circular_buffer"
local graph = require "graph"

_PRESERVATION_VERSION = read_config("preservation_version") or 0

local TITLE, SWAP_FREE, SWAP_USED = "Memory Stats", 8, 9
local names = {"MemFree", "Cached", "Active", "Inactive", "VmallocUsed", "Shmem", "SwapCached"}
local columns = {}
for i, name in ipairs(names) do columns[i] = {name, "Count", "max"} end
columns[SWAP_FREE] = {"SwapFree", "Count", "max"}
columns[SWAP_USED] = {"SwapUsed", "Count", "max"}
cbuf = graph.new(TITLE, read_config("rows") or 1440, read_config("sec_per_row") or 60, columns)

function process_message()
    local ns = read_message("Timestamp")
    if not graph.set_fields(cbuf, ns, names) then return -1 end
    local total, free = read_message("Fields[SwapTotal]"), read_message("Fields[SwapFree]")
    if type(total) ~= "number" or type(free) ~= "number" then return -1 end
    cbuf:set(ns, SWAP_FREE, free)
    cbuf:set(ns, SWAP_USED, total - free)
    return 0
end

function timer_event(ns)
    graph.report(ns, TITLE, cbuf)
end
