-- SPDX-License-Identifier: MPL-2.0
--
-- linux_loadavg - /proc/loadavg to a message of type stats.loadavg with the fields 1MinAvg,
-- 5MinAvg, 15MinAvg, NumProcesses, FilePath. Option: payload_keep.
local lpeg = require "lpeg"
local grammar_decoder = require "grammar_decoder"

local digits, blank = lpeg.R"09"^1, lpeg.S" \t\n\v\f\r"
local function average(name) return lpeg.Cg(digits * "." * digits / tonumber, name) * blank end

local line = average"1MinAvg" * average"5MinAvg" * average"15MinAvg"
    * lpeg.Cg(digits / tonumber, "NumProcesses") * "/" * digits * blank * digits

process_message = grammar_decoder.new("stats.loadavg", lpeg.Ct(line), {"FilePath"})
