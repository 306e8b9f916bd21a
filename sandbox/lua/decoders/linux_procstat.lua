-- SPDX-License-Identifier: MPL-2.0
--
-- linux_procstat - /proc/stat to a message of type stats.procstat with a field for each line, which
-- has the line's numbers as its values. Option: payload_keep.
local lpeg = require "lpeg"
local grammar_decoder = require "grammar_decoder"

local blanks = lpeg.P" "
local key = lpeg.C((lpeg.R("az", "AZ", "09") + "_")^1)
local numbers = lpeg.Ct((lpeg.R"09"^1 / tonumber * blanks^0)^1)
local line = lpeg.Cg(key * blanks^1 * numbers) * lpeg.P"\n"^0

process_message = grammar_decoder.new("stats.procstat", lpeg.Cf(lpeg.Ct"" * line^1, rawset))
