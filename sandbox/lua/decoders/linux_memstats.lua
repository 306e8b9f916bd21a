-- SPDX-License-Identifier: MPL-2.0
--
-- linux_memstats - /proc/meminfo to a message of type stats.memstats with a field for each line,
-- whose representation is "kB" where the line has it, and FilePath. Option: payload_keep.
local lpeg = require "lpeg"
local grammar_decoder = require "grammar_decoder"
local C, Cc, Cf, Cg, Ct = lpeg.C, lpeg.Cc, lpeg.Cf, lpeg.Cg, lpeg.Ct

local blank = lpeg.S" \t\n\v\f\r"
local unit = blank * C"kB" * "\n" + "\n" * Cc""
local value = Ct(Cg(lpeg.R"09"^1 / tonumber, "value") * Cg(unit, "representation"))
local line = Cg(C((1 - lpeg.P":")^1) * ":" * blank^1 * value)

process_message = grammar_decoder.new("stats.memstats", Cf(Ct"" * line^1, rawset), {"FilePath"})
