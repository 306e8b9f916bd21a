-- SPDX-License-Identifier: MPL-2.0
--
-- cbufd - LPeg grammar of what circular_buffer writes in its "cbufd" format (and of "cbuf" with
-- timestamps): one line of JSON, then lines of a time in seconds and the columns' values.
--
-- grammar: matches a whole text and gives { header = first line, row... }; a row is
-- { value..., time = nanoseconds }, "nan" is not a number.
local lpeg = require "lpeg"

local M = {}

local digits = lpeg.R"09"^1
local line_end = lpeg.P"\n"

local function nanoseconds(seconds) return tonumber(seconds .. "000000000") end
local function no_number() return 0 / 0 end

local value = lpeg.P"-"^-1 * (digits * "." * digits + digits) / tonumber + lpeg.P"nan" / no_number
local row = lpeg.Ct(lpeg.Cg(digits / nanoseconds, "time") * ("\t" * value)^1 * line_end)
local header = lpeg.Cg((1 - line_end)^1, "header") * line_end

M.grammar = lpeg.Ct(header * row^1) * -1

return M
