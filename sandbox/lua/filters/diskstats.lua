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

-- State, in the form that Heka's has: rows and seconds of the buffers; the buffers, and last_value
-- of each field.
last_run = {}
stats = {disk_stats = {fields = {}}, time_stats = {}}
for i, name in ipairs(work) do stats.disk_stats.fields[i] = {name = name} end

local function columns(names, unit, aggregation)
    local found = {}
    for i, name in ipairs(names) do found[i] = {name, unit, aggregation} end
    return found
end

-- Buffers of these rows, new ones when there are none or others.
local function prepare(seconds)
    local disk, time = stats.disk_stats, stats.time_stats
    if disk.cbuf and last_run.rows == rows and last_run.sec_per_row == seconds then return end
    last_run.rows, last_run.sec_per_row = rows, seconds
    disk.cbuf = graph.new(WORK, rows, seconds, columns(work, "per_" .. seconds .. "_s", "none"))
    time.cbuf = graph.new(TIMES, rows, seconds, columns(times, "ms", "max"))
end

function process_message()
    local ns, seconds = read_message("Timestamp"), read_message("Fields[TickerInterval]")
    if type(seconds) ~= "number" then return -1 end
    prepare(seconds)
    if not graph.set_fields(stats.time_stats.cbuf, ns, times) then return -1 end
    local disk = stats.disk_stats
    for i, name in ipairs(work) do
        local value = read_message("Fields[" .. name .. "]")
        if type(value) ~= "number" then return -1 end
        local field = disk.fields[i]
        if field.last_value then disk.cbuf:set(ns, i, value - field.last_value) end
        field.last_value = value
    end
    return 0
end

function timer_event(ns)
    if not stats.disk_stats.cbuf then return end
    graph.inject(ns, WORK, stats.disk_stats.cbuf)
    graph.inject(ns, TIMES, stats.time_stats.cbuf)
    alert.send_queue(ns)
end
