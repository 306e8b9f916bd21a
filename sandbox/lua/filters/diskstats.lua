-- SPDX-License-Identifier: MPL-2.0
--
-- diskstats - two graphs of what the decoder linux_diskstats finds: how much a disk did between two
-- messages, and the times that it counts. A row is as long as the interval of the input.
-- Options: rows (1440), anomaly_config.
require "circular_buffer"
local alert = require "alert"
local graph = require "graph"

local rows = read_config("rows") or 1440

local WORK, TIMES = "Disk Stats", "Time doing IO"
local work = {"WritesCompleted", "ReadsCompleted", "SectorsWritten", "SectorsRead", "WritesMerged",
              "ReadsMerged"}
local times = {"TimeWriting", "TimeReading", "TimeDoingIO", "WeightedTimeDoingIO"}

last_run = {} -- rows and seconds of the buffers
stats = {}    -- { disk, time = buffers, last = values of the message before }

local function columns(names, unit, aggregation)
    local found = {}
    for i, name in ipairs(names) do found[i] = {name, unit, aggregation} end
    return found
end

-- Buffers of these rows, new ones when there are none or others.
local function prepare(seconds)
    if stats.disk and last_run.rows == rows and last_run.sec_per_row == seconds then return end
    last_run.rows, last_run.sec_per_row = rows, seconds
    stats.disk = graph.new(WORK, rows, seconds, columns(work, "per_" .. seconds .. "_s", "none"))
    stats.time = graph.new(TIMES, rows, seconds, columns(times, "ms", "max"))
    stats.last = stats.last or {}
end

function process_message()
    local ns, seconds = read_message("Timestamp"), read_message("Fields[TickerInterval]")
    if type(seconds) ~= "number" then return -1 end
    prepare(seconds)
    if not graph.set_fields(stats.time, ns, times) then return -1 end
    for i, name in ipairs(work) do
        local value = read_message("Fields[" .. name .. "]")
        if type(value) ~= "number" then return -1 end
        if stats.last[i] then stats.disk:set(ns, i, value - stats.last[i]) end
        stats.last[i] = value
    end
    return 0
end

function timer_event(ns)
    if not stats.disk then return end
    graph.inject(ns, WORK, stats.disk)
    graph.inject(ns, TIMES, stats.time)
    alert.send_queue(ns)
end
