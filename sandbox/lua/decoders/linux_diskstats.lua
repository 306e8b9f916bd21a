-- SPDX-License-Identifier: MPL-2.0
--
-- linux_diskstats - /sys/block/DEVICE/stat to a message of type stats.diskstats with its eleven
-- numbers as fields, and FilePath and TickerInterval. Option: payload_keep.
local lpeg = require "lpeg"
local grammar_decoder = require "grammar_decoder"

local columns = {"ReadsCompleted", "ReadsMerged", "SectorsRead", "TimeReading", "WritesCompleted",
                 "WritesMerged", "SectorsWritten", "TimeWriting", "NumIOInProgress", "TimeDoingIO",
                 "WeightedTimeDoingIO"}

local row = lpeg.P(true)
for _, name in ipairs(columns) do
    row = row * lpeg.S" \t\n\v\f\r"^0 * lpeg.Cg(lpeg.R"09"^1 / tonumber, name)
end

process_message = grammar_decoder.new("stats.diskstats", lpeg.Ct(row * "\n"),
                                      {"FilePath", "TickerInterval"})
