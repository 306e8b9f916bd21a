-- SPDX-License-Identifier: MPL-2.0
--
-- syslog - LPeg grammars made from a template of rsyslog.
--
--   build_rsyslog_grammar(template)   a table with a capture for each property, under its name in
--                                     lower case; times in nanoseconds, "timereported" as
--                                     "timestamp", pri = {facility, severity}, syslogtag =
--                                     {programname, pid}
--   severity                          a severity's name, as syslog's number
require "math"
require "string"
local lpeg = require "lpeg"
local dt = require "date_time"
local ip = require "ip_address"
local C, Cc, Cf, Cg, Cs, Ct, P, R, S = lpeg.C, lpeg.Cc, lpeg.Cf, lpeg.Cg, lpeg.Cs, lpeg.Ct, lpeg.P,
    lpeg.R, lpeg.S

local M = {}

local digit, printable = R"09", R"!~"
local blank = S" \t\n\v\f\r"
local nothing = P"-"

-- ---- names of severities and facilities ----

-- Names in rows of {name, number}, small or capital, as numbers.
local function named(rows)
    local pattern = P(false)
    for _, row in ipairs(rows) do
        local name, number = row[1], row[2]
        pattern = pattern + (P(name) + name:upper()) / function() return number end
    end
    return pattern
end

M.severity = named{{"debug", 7}, {"info", 6}, {"notice", 5}, {"warning", 4}, {"warn", 4},
                   {"error", 3}, {"err", 3}, {"crit", 2}, {"alert", 1}, {"emerg", 0}, {"panic", 0}}

local facility = named{{"kern", 0}, {"user", 1}, {"mail", 2}, {"daemon", 3}, {"authpriv", 10},
    {"auth", 4}, {"security", 4}, {"syslog", 5}, {"lpr", 6}, {"news", 7}, {"uucp", 8}, {"cron", 9},
    {"ftp", 11}, {"ntp", 12}, {"audit", 13}, {"alert", 14}, {"clock", 15}, {"local0", 16},
    {"local1", 17}, {"local2", 18}, {"local3", 19}, {"local4", 20}, {"local5", 21}, {"local6", 22},
    {"local7", 23}}

-- ---- parts of RFC 5424 ----

local function split_pri(number)
    number = tonumber(number)
    return {facility = math.floor(number / 8), severity = number % 8}
end
local pri = digit * digit^-2 / split_pri

local name = (printable - S'=]" ')^-32
local function parameter_name(text) return "_" .. text end
local escaped = P"\\" * C(S'[]"\\')
local value = Cs((escaped / "%1" + P"\\" * 1 + (1 - S'"\\]'))^0)
local parameter = Cg(name / parameter_name * '="' * value * '"')
local element = "[" * Cf(Ct"" * Cg(Cc"id" * C(name)) * (" " * parameter)^0, rawset) * "]"

local host_name = nothing + printable^-255
local program = (printable - S" :[")^0
local tag = Ct(Cg(program, "programname")
               * ("[" * Cg(digit^1 / tonumber, "pid") * "]")^-1 * P":"^-1)

-- ---- properties ----

local times = { -- by option
    ["date-mysql"] = dt.mysql_timestamp / dt.time_to_ns,
    ["date-pgsql"] = dt.pgsql_timestamp / dt.time_to_ns,
    ["date-rfc3164"] = dt.rfc3164_timestamp / dt.time_to_ns,
    ["date-rfc3164-buggyday"] = dt.rfc3164_timestamp / dt.time_to_ns,
    ["date-rfc3339"] = dt.rfc3339 / dt.time_to_ns,
    ["date-subseconds"] = digit^1 / tonumber,
    ["date-unixtimestamp"] = digit^1 / dt.seconds_to_ns,
}
local is_time = {timegenerated = true, timereported = true, timestamp = true}

local properties = {
    ["$bom"] = P"\239\187\191",
    ["$day"] = dt.date_mday,
    ["$hhour"] = "0" * S"01",
    ["$hour"] = dt.time_hour,
    ["$minute"] = dt.time_minute,
    ["$month"] = dt.date_month,
    ["$now"] = dt.rfc3339_full_date,
    ["$qhour"] = "0" * R"03",
    ["$year"] = dt.date_fullyear,
    ["app-name"] = nothing + printable^-48,
    fromhost = host_name,
    ["fromhost-ip"] = ip.v4 + ip.v6,
    hostname = host_name,
    inputname = printable^0,
    iut = digit^1,
    msgid = nothing + printable^-32,
    pri = pri,
    ["pri-text"] = facility * "." * M.severity * "<" * pri * ">",
    procid = nothing + printable^-128,
    programname = program,
    ["protocol-version"] = digit^1,
    rawmsg = P(1)^0,
    source = host_name,
    ["structured-data"] = Ct"" * nothing + element,
    syslogfacility = digit * digit^-2 / tonumber,
    ["syslogfacility-text"] = facility,
    syslogpriority = digit / tonumber,
    ["syslogpriority-text"] = M.severity,
    syslogseverity = digit / tonumber,
    ["syslogseverity-text"] = M.severity,
    syslogtag = tag,
}

-- Grammar of a property. `last`: what the literal before it ended with, where a message ends.
local function property(text, options, last)
    if options == "sp-if-no-1st-sp" then return P" "^1 end
    local key = text:lower()
    if is_time[key] then
        local found = times[options and options:lower()] or times["date-rfc3164"]
        return Cg(found, key == "timereported" and "timestamp" or key)
    end
    if key == "msg" then return Cg((1 - P(last))^0, key) end
    if not properties[key] then
        error(string.format("invalid rsyslog property: '%s'", key))
    end
    return Cg(properties[key], key)
end

-- ---- templates ----

local escapes = {a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v", ['"'] = '"',
                 ["'"] = "'", ["\\"] = "\\", ["%"] = "%"}
local unescaped = Cs(((P"\\" * C(S"abfnrtv\"'\\%")) / escapes
    + (P"\\" * C(digit * digit^-2)) / function(number) return string.char(number) end + 1)^0)

-- %name%, %name:from:to% and options behind another colon. The place behind it, name and options.
local function read_property(template, at)
    local name_text, rest, stop = template:match("^%%([%w%-%$]+)(:?[^%%]*)%%()", at)
    if not name_text then return end
    local options = rest:match("^:[^:]*:[^:]*:(.*)$")
    if not options and not rest:match("^:[^:]*:[^:]*$") then options = rest:match("^:(.*)$") end
    if rest ~= "" and rest:sub(1, 1) ~= ":" then return end
    return stop, name_text, options
end

function M.build_rsyslog_grammar(template)
    local grammar, last, literal, at = P(true), "\n", "", 1
    local function end_literal()
        if literal == "" then return end
        literal = unescaped:match(literal)
        grammar, last, literal = grammar * P(literal), literal:sub(-1), ""
    end
    if type(template) ~= "string" or template == "" then
        error("could not parse the rsyslog template")
    end
    while at <= #template do
        local c = template:sub(at, at)
        local stop, found, options = read_property(template, at)
        if stop then
            end_literal()
            grammar = grammar * property(found, options, last)
            if options ~= "sp-if-no-1st-sp" then last = "\n" end
            at = stop
        elseif c:find("%s") then
            end_literal()
            grammar, at = grammar * blank, at + 1
        else
            literal, at = literal .. c, at + 1
        end
    end
    end_literal()
    return Ct(grammar)
end

return M
