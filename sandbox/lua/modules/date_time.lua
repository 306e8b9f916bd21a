-- SPDX-License-Identifier: MPL-2.0
--
-- date_time - LPeg patterns of dates and times, and nanoseconds since 1970 of what they capture.
--
-- A pattern gives named captures for os.time(): year, month, day, hour, min, sec (texts), and
-- sec_frac, offset_sign, offset_hour, offset_min, period, time_t. Those that end a format
-- (rfc3339, clf_timestamp, rfc3164_timestamp, mysql_timestamp, pgsql_timestamp, and what
-- build_strftime_grammar returns) give them as one table; time_to_ns() takes it.
require "math"
require "os"
local lpeg = require "lpeg"
local C, Cc, Cg, Ct, P, R, S = lpeg.C, lpeg.Cc, lpeg.Cg, lpeg.Ct, lpeg.P, lpeg.R, lpeg.S

local M = {}

local digit = R"09"
local letter = R("az", "AZ")
local blank = S" \t\n\v\f\r"

-- ---- values ----

local function hour_of_day(hour, period)
    hour = tonumber(hour)
    if period == "AM" and hour == 12 then return 0 end
    if period == "PM" and hour < 12 then return hour + 12 end
    return hour
end

-- Nanoseconds since the epoch of a table of captures; 0 when there is none, or no such time.
function M.time_to_ns(t)
    if not t then return 0 end
    if t.time_t then return t.time_t * 1e9 end
    if t.period then t.hour = hour_of_day(t.hour, t.period) end
    local east = 0
    if t.offset_hour then
        east = t.offset_hour * 3600 + t.offset_min * 60
        if t.offset_sign == "-" then east = -east end
    end
    local seconds = os.time(t)
    return seconds and (seconds + (t.sec_frac or 0) - east) * 1e9 or 0
end

function M.seconds_to_ns(seconds) return tonumber(seconds) * 1e9 end

-- ---- parts ----

-- One of the names, in this order; with `to_number` the capture is the place in the list.
local function one_of(names, to_number)
    local pattern
    for i, name in ipairs(names) do
        local one = to_number and P(name) / tostring(i) or P(name)
        pattern = pattern and pattern + one or one
    end
    return pattern
end

local months = {"January", "February", "March", "April", "May", "June", "July", "August",
                "September", "October", "November", "December"}
local days = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}

local function abbreviated(names)
    local short = {}
    for i, name in ipairs(names) do short[i] = name:sub(1, 3) end
    return short
end

M.date_fullyear = Cg(digit * digit * digit * digit, "year")
M.date_month = Cg("0" * R"19" + "1" * R"02", "month")
M.date_mabbr = Cg(one_of(abbreviated(months), true), "month")
M.date_mfull = Cg(one_of(months, true), "month")
M.date_mday = Cg("0" * R"19" + S"12" * digit + "3" * S"01", "day")
M.date_mday_sp = Cg(" " * R"19" + S"12" * digit + "3" * S"01", "day")
M.time_hour = Cg(S"01" * digit + "2" * R"03", "hour")
M.time_minute = Cg(R"05" * digit, "min")
M.time_second = Cg(R"05" * digit + "60", "sec") -- a leap second is one
M.time_secfrac = Cg("." * digit^1 / tonumber, "sec_frac")

local function offset(sign, hours)
    return Cg(Cc(sign), "offset_sign") * Cg(Cc(hours), "offset_hour") * Cg(Cc(0), "offset_min")
end

-- Names of zones that logs have; any other name counts as UTC.
M.timezone = P"UTC" * offset("+", 0)
for i, zone in ipairs{"EDT", "EST", "CDT", "CST", "MDT", "MST", "PDT", "PST"} do
    local is_summer = i % 2 == 1
    local hours = 5 + math.floor((i - 1) / 2) - (is_summer and 1 or 0)
    M.timezone = M.timezone + P(zone) * offset("-", hours)
end
M.timezone = M.timezone + letter^-5 * offset("+", 0)

local offset_sign = Cg(S"+-", "offset_sign")
local offset_hour = Cg(M.time_hour / tonumber, "offset_hour")
local offset_min = Cg(M.time_minute / tonumber, "offset_min")
M.timezone_offset = offset_sign * offset_hour * offset_min

local clock = M.time_hour * ":" * M.time_minute * ":" * M.time_second

-- ---- RFC 3339 ----

M.rfc3339_time_numoffset = offset_sign * offset_hour * ":" * offset_min
M.rfc3339_time_offset = P"Z" + M.rfc3339_time_numoffset
M.rfc3339_partial_time = clock * M.time_secfrac^-1
M.rfc3339_full_date = M.date_fullyear * "-" * M.date_month * "-" * M.date_mday
M.rfc3339_full_time = M.rfc3339_partial_time * M.rfc3339_time_offset
M.rfc3339 = Ct(M.rfc3339_full_date * "T" * M.rfc3339_full_time)

-- ---- strftime ----

local century = os.date("%Y"):sub(1, 2)
local hour_12 = Cg("0" * digit + "1" * R"02", "hour")
local week_of_year = R"04" * digit + "5" * R"03"

local specifiers = {
    a = one_of(abbreviated(days)),
    A = one_of(days),
    b = M.date_mabbr,
    B = M.date_mfull,
    C = digit * digit,
    d = M.date_mday,
    e = M.date_mday_sp,
    F = M.rfc3339_full_date,
    G = M.date_fullyear,
    h = M.date_mabbr,
    H = M.time_hour,
    I = hour_12,
    j = "00" * R"19" + "0" * digit * digit + S"12" * digit * digit + "3" * R"05" * digit
        + "36" * R"06",
    k = Cg(S" 1" * digit + "2" * R"03", "hour"),
    l = Cg(blank * digit + "1" * R"02", "hour"),
    m = M.date_month,
    M = M.time_minute,
    n = P"\n",
    p = Cg(P"AM" + "PM", "period"),
    R = M.time_hour * ":" * M.time_minute,
    s = Cg(digit^1 / tonumber, "time_t"),
    S = Cg(R"05" * digit + "6" * S"01", "sec"),
    t = P"\t",
    T = clock,
    u = R"17",
    U = week_of_year,
    V = week_of_year,
    w = R"06",
    W = week_of_year,
    X = clock,
    y = Cg(digit * digit / function(year) return century .. year end, "year"),
    Y = M.date_fullyear,
    z = M.timezone_offset,
    Z = M.timezone,
    ["%"] = P"%",
}
specifiers.g = specifiers.y
specifiers.D = M.date_month * "/" * M.date_mday * "/" * specifiers.y
specifiers.x = specifiers.D
specifiers.r = hour_12 * ":" * M.time_minute * ":" * M.time_second * " " * specifiers.p
specifiers.c = specifiers.a * " " * M.date_mabbr * " " * M.date_mday_sp * " " * clock * " "
             * M.date_fullyear

-- A pattern for times that strftime() writes with `format`. Each blank of it is one blank of any
-- kind.
function M.build_strftime_grammar(format)
    local grammar = P(true)
    local at = 1
    if format == "" then error("could not parse the strftime format") end
    while at <= #format do
        local c = format:sub(at, at)
        if c == "%" then
            at = at + 1
            local name = format:sub(at, at)
            if not name:find("^[%w%%]") then error("could not parse the strftime format") end
            local known = specifiers[name]
            if not known then error("unknown strftime specifier: " .. name) end
            grammar = grammar * known
        else
            grammar = grammar * (c:find("%s") and blank or P(c))
        end
        at = at + 1
    end
    return Ct(grammar)
end

-- ---- formats of logs and databases ----

M.clf_timestamp = Ct(M.date_mday * "/" * M.date_mabbr * "/" * M.date_fullyear * ":" * clock * " "
                     * M.timezone_offset)

-- It has no year: this one. Several blanks may stand before a day of one digit.
local this_year = Cg(P(true) / function() return os.date("%Y") end, "year")
M.rfc3164_timestamp = Ct(M.date_mabbr * P" "^1 * Cg(digit * digit^-1, "day") * P" "^1 * clock
                         * this_year)

M.mysql_timestamp = Ct(M.date_fullyear * M.date_month * M.date_mday * M.time_hour * M.time_minute
                       * M.time_second)
M.pgsql_timestamp = Ct(M.rfc3339_full_date * " " * clock)

return M
