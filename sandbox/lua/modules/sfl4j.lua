-- SPDX-License-Identifier: MPL-2.0
--
-- sfl4j - LPeg grammar of a log event of SLF4J: a line as
--   ERROR [2014-11-21 16:35:59,501] com.domain.Job: Something went wrong
-- and the lines of the stack trace behind it.
--
-- logevent_grammar gives { severity = syslog's number, timestamp = nanoseconds, class, message,
-- stacktrace }.
local lpeg = require "lpeg"
local dt = require "date_time"
local Cg, Ct, P, R, S = lpeg.Cg, lpeg.Ct, lpeg.P, lpeg.R, lpeg.S

local M = {}

local blanks = S" \t\n\v\f\r"^1
local to_line_end = (1 - P"\n")^0

local severities = {TRACE = 7, DEBUG = 7, INFO = 6, WARN = 4, ERROR = 3, FATAL = 0}
local severity = P(false)
for name, number in pairs(severities) do
    severity = severity + (P(name) + name:lower()) / function() return number end
end

local function fraction(digits) return tonumber("0." .. digits) end
local time = dt.rfc3339_full_date * blanks * dt.time_hour * ":" * dt.time_minute * ":"
    * dt.time_second * "," * Cg(R"09"^3 / fraction, "sec_frac")^-1

M.logevent_grammar = Ct(
    Cg(severity, "severity") * blanks * "[" * Cg(Ct(time) / dt.time_to_ns, "timestamp") * "]"
    * blanks * Cg((1 - P":")^1, "class") * ":" * blanks * Cg(to_line_end, "message") * "\n"
    * Cg((to_line_end * "\n")^0, "stacktrace"))

return M
