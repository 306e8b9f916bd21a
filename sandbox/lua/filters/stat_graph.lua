-- SPDX-License-Identifier: MPL-2.0
--
-- stat_graph - a graph of statistics out of statmetric messages with fields.
-- Options: stats and stat_labels (names of fields and of their columns, separated by blanks), title
-- ("Stats"), rows (300), sec_per_row (1), stat_aggregation ("sum"), stat_unit ("count"),
-- anomaly_config, preservation_version.
require "circular_buffer"
local graph = require "graph"

_PRESERVATION_VERSION = read_config("preservation_version") or 0

local title = read_config("title") or "Stats"
local aggregation = read_config("stat_aggregation") or "sum"
local unit = read_config("stat_unit") or "count"

local function words(option)
    local text = read_config(option) or error(option .. " configuration must be specified")
    local found = {}
    for word in text:gmatch("%S+") do found[#found + 1] = word end
    return found
end

local names, labels = words("stats"), words("stat_labels")
if #names ~= #labels then
    error("stats and stat_labels configuration must have the same number of items")
end
local columns = {}
for i, label in ipairs(labels) do columns[i] = {label, unit, aggregation} end
cbuf = graph.new(title, read_config("rows") or 300, read_config("sec_per_row") or 1, columns)

function process_message()
    local seconds = read_message("Fields[timestamp]")
    if type(seconds) ~= "number" then return -1 end
    for i, name in ipairs(names) do
        local value = read_message("Fields[" .. name .. "]")
        if type(value) == "number" then cbuf:add(seconds * 1e9, i, value) end
    end
    return 0
end

function timer_event(ns)
    graph.report(ns, title, cbuf)
end
