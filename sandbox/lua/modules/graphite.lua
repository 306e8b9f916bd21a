-- SPDX-License-Identifier: MPL-2.0
--
-- graphite - lines for Carbon from counts and times, named as statsd names them.
require "math"
require "string"
require "table"
local M = {}

-- Lines of one counter: its count in the interval, and how many that is in a second.
function M.count_rate(bucket, count, interval_s, now_s)
    local name = "stats.counters." .. bucket
    return string.format("%s.count %d %d\n%s.rate %f %d\n", name, count, now_s,
                         name, count / interval_s, now_s)
end

-- Lines of all counters of a table of counts by name.
function M.multi_counts_rates(counts, interval_s, now_s)
    local lines = {}
    for bucket, count in pairs(counts) do
        lines[#lines + 1] = M.count_rate(bucket, count, interval_s, now_s)
    end
    return table.concat(lines)
end

-- Mean and largest of the lower values of a sorted array, `percent` of them.
local function below(values, percent)
    local count = #values
    if count < 2 then return values[1], values[count] end
    local kept = count - math.floor((100 - percent) / 100 * count + 0.5)
    if kept <= 0 then return values[1], values[count] end
    local sum = 0
    for i = 1, kept do sum = sum + values[i] end
    return sum / kept, values[kept]
end

-- Lines of one timer, whose values are sorted.
function M.timeseries_metrics(bucket, values, interval_s, percent, now_s)
    local count, sum = #values, 0
    table.sort(values)
    for _, value in ipairs(values) do sum = sum + value end
    local mean_below, upper_below = below(values, percent)
    local rows = {
        {"count_ps", count / interval_s},
        {"lower", values[1] or 0},
        {"upper", values[count] or 0},
        {"sum", sum},
        {"mean", count > 0 and sum / count or 0},
        {"mean_" .. string.format("%d", percent), mean_below or 0},
        {"upper_" .. string.format("%d", percent), upper_below or 0},
    }
    local lines = {string.format("stats.timers.%s.count %d %d\n", bucket, count, now_s)}
    for _, row in ipairs(rows) do
        lines[#lines + 1] = string.format("stats.timers.%s.%s %f %d\n", bucket, row[1], row[2],
                                          now_s)
    end
    return table.concat(lines)
end

-- Lines of all timers of a table of arrays by name.
function M.multi_timeseries_metrics(timers, interval_s, percent, now_s)
    local lines = {}
    for bucket, values in pairs(timers) do
        lines[#lines + 1] = M.timeseries_metrics(bucket, values, interval_s, percent, now_s)
    end
    return table.concat(lines)
end

function M.ns_to_sec(ns)
    return math.floor(ns / 1e9)
end

return M
