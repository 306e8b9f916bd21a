-- SPDX-License-Identifier: MPL-2.0
--
-- common_log_format - LPeg grammars made from the log format that a web server is configured with.
--
--   build_nginx_grammar(log_format)    from nginx's log_format
--   build_apache_grammar(log_format)   from Apache's LogFormat
--   nginx_error_grammar                of nginx's error log
--   normalize_user_agent(text)         browser, its version, operating system
--
-- A grammar gives one table with a capture for each variable, under nginx's name for it, also for
-- Apache's. `time` is nanoseconds. A capture is a text, a number, or a table for the field of a
-- message: {value =, representation =}. A variable without a form of its own is a text that ends
-- before the character that the literal text before it ended with (or before a blank); after a
-- quotation mark \" is part of it.
require "string"
local lpeg = require "lpeg"
local dt = require "date_time"
local ip = require "ip_address"
local C, Cc, Cg, Cs, Ct, P, R, S = lpeg.C, lpeg.Cc, lpeg.Cg, lpeg.Cs, lpeg.Ct, lpeg.P, lpeg.R,
    lpeg.S

local M = {}

local digit, hex, alpha = R"09", R("09", "af", "AF"), R("az", "AZ")
local alnum = alpha + digit
local blank = S" \t\n\v\f\r"

local integer = digit^1 / tonumber
local double = digit^1 * "." * digit^1 / tonumber
local status = digit * digit * digit / tonumber
local function zero() return 0 end
local dash_as_zero = P"-" / zero

-- A field of a message with a unit, or a kind.
local function with(representation, pattern)
    return Ct(Cg(pattern, "value") * Cg(Cc(representation), "representation"))
end

local host_name = (alnum + S"-._~" + "%" * hex * hex + S"!$&'()*+,;=")^1
local host = with("ipv4", ip.v4) + with("ipv6", ip.v6) + with("hostname", host_name)
local bytes = with("B", integer)
local version = P"HTTP/" * digit^1 * "." * digit^1
local method = P"GET" + "POST" + "HEAD" + "PUT" + "DELETE" + "OPTIONS" + "TRACE" + "CONNECT"
local clf_time = dt.clf_timestamp / dt.time_to_ns

-- ---- nginx ----

-- Several servers that were tried are separated by ", ", groups of them by " : ".
local function upstream(item)
    local list = item * (", " * item)^0
    return Ct(list * (" : " * list)^0)
end

local upstream_time = double + dash_as_zero

local nginx_variables = {
    binary_remote_addr = P(4),
    body_bytes_sent = bytes,
    bytes_sent = bytes,
    connection = integer,
    connection_requests = integer,
    content_length = bytes,
    host = host,
    hostname = host,
    https = P"on"^-1,
    is_args = P"?"^-1,
    msec = double / dt.seconds_to_ns,
    nginx_version = digit^1 * "." * digit^1 * "." * digit^1,
    pid = integer,
    pipe = S"p.",
    proxy_protocol_addr = host,
    remote_addr = host,
    remote_port = integer,
    request_completion = P"OK"^-1,
    request_length = bytes,
    request_method = method,
    request_time = with("s", double),
    scheme = P"https" + "http",
    server_addr = host,
    server_name = host,
    server_port = integer,
    server_protocol = version,
    status = status,
    tcpinfo_rcv_space = integer,
    tcpinfo_rtt = integer,
    tcpinfo_rttvar = integer,
    tcpinfo_snd_cwnd = integer,
    time_iso8601 = dt.rfc3339 / dt.time_to_ns,
    time_local = clf_time,
    upstream_addr = upstream(C((1 - S", ")^1)) + "-",
    upstream_cache_last_modified = dt.build_strftime_grammar("%a, %d %b %Y %T GMT") / dt.time_to_ns
        + "-",
    upstream_cache_status = P"HIT" + "MISS" + "EXPIRED" + "BYPASS" + "STALE" + "UPDATING"
        + "REVALIDATED" + "-",
    upstream_response_length = with("B", upstream(integer)) + "-",
    upstream_response_time = with("s", upstream(upstream_time)),
    upstream_status = upstream(status + dash_as_zero),
}

local times = {time_local = true, time_iso8601 = true, msec = true}

-- Any text up to where the next literal may begin.
local function text_until(last, name)
    if last == '"' then
        return Cg((P'\\"' + (1 - P'"'))^0, name)
    end
    return Cg((1 - (last and P(last) or blank))^0, name)
end

local function nginx_variable(name, last)
    local known = nginx_variables[name]
    if not known then return text_until(last, name) end
    return Cg(known, times[name] and "time" or name)
end

-- Reads a format from left to right. `variable(rest, last)` returns the grammar of the variable
-- that `rest` begins with and how long its name is there, or nil; `unescape` what a literal stands
-- for.
local function build(format, variable, unescape)
    local grammar, last, at, literal = P(true), nil, 1, ""
    local function end_literal()
        if literal == "" then return end
        literal = unescape(literal)
        grammar, last, literal = grammar * P(literal), literal:sub(-1), ""
    end
    if type(format) ~= "string" or format == "" then
        error("could not parse the log_format configuration")
    end
    while at <= #format do
        local blanks = format:match("^%s+", at)
        if blanks then
            end_literal()
            grammar, last, at = grammar * blank^1, nil, at + #blanks
        else
            local rest = format:sub(at)
            local is_variable = variable(rest, nil)
            if is_variable then end_literal() end
            local found, size
            if is_variable then found, size = variable(rest, last) end
            if found then
                grammar, at = grammar * found, at + size
            else
                literal, at = literal .. format:sub(at, at), at + 1
            end
        end
    end
    end_literal()
    return Ct(grammar)
end

local function as_it_is(text) return text end

function M.build_nginx_grammar(log_format)
    return build(log_format, function(rest, last)
        local name = rest:match("^%$([%w_]+)")
        if name then return nginx_variable(name, last), #name + 1 end
    end, as_it_is)
end

-- ---- Apache ----

local apache_variables = { -- a text: the name of a capture without a form of its own
    ["%"] = P"%",
    a = Cg(host, "remote_addr"),
    A = Cg(host, "server_addr"),
    b = Cg(with("B", integer + dash_as_zero), "body_bytes_sent"),
    B = Cg(bytes, "body_bytes_sent"),
    D = Cg(with("us", integer), "request_time"),
    f = "request_filename",
    h = Cg(host, "remote_addr"),
    H = Cg(version, "server_protocol"),
    I = Cg(bytes, "request_length"),
    k = Cg(integer, "connection_requests"),
    l = "remote_user",
    L = "request_log_id",
    m = Cg(method, "request_method"),
    O = Cg(bytes, "response_length"),
    p = Cg(integer, "server_port"),
    P = Cg(integer, "pid"),
    q = "query_string",
    r = "request",
    R = "request_handler",
    s = Cg(status, "status"),
    S = Cg(bytes, "total_length"),
    t = "[" * Cg(clf_time, "time") * "]",
    T = Cg(with("s", integer), "request_time"),
    u = "remote_user",
    U = "uri",
    v = Cg(host, "server_name"),
    V = Cg(host, "server_name"),
    X = Cg(S"X+-", "connection_status"),
}

local function header(prefix)
    return function(name) return prefix .. name:lower():gsub("-", "_") end
end

local function prefixed(prefix)
    return function(name) return prefix .. name end
end

local ports = {canonical = "server_port", ["local"] = "server_port", remote = "remote_port"}

local function port_of(kind)
    if not ports[kind] then error("unknown port format: " .. kind) end
    return Cg(integer, ports[kind])
end

local function from_hex(text) return tonumber(text, 16) end
local pids = {pid = Cg(integer, "pid"), tid = Cg(integer, "tid"),
              hextid = Cg(hex^1 / from_hex, "tid")}

local function pid_of(kind)
    return pids[kind] or error("unknown pid format: " .. kind)
end

local function scaled(factor)
    return function(text) return tonumber(text) * factor end
end
local function fraction(text) return tonumber("0." .. text) end

local apache_times = { -- the first that a time's name begins with
    {"sec", Cg(digit^1 / scaled(1e9), "time")},
    {"msec_frac", Cg(digit^1 / fraction, "sec_frac")},
    {"usec_frac", Cg(digit^1 / fraction, "sec_frac")},
    {"msec", Cg(digit^1 / scaled(1e6), "time")},
    {"usec", Cg(digit^1 / scaled(1e3), "time")},
}

local function time_of(format)
    local kind = format:match("^end:(.*)") or format:match("^begin:(.*)") or format
    for _, row in ipairs(apache_times) do
        if kind:sub(1, #row[1]) == row[1] then return row[2] end
    end
    return Cg(dt.build_strftime_grammar(format) / dt.time_to_ns, "time")
end

local apache_arguments = { -- %{argument}X
    a = function() return apache_variables.a end,
    C = prefixed"cookie_",
    e = prefixed"env_",
    i = header"http_",
    n = prefixed"module_",
    o = header"sent_http_",
    p = port_of,
    P = pid_of,
    t = time_of,
}

local function apache_grammar(found, last)
    return type(found) == "string" and text_until(last, found) or found
end

-- %X, with a < or > in between, or %{argument}X, with status codes in between
local function apache_variable(rest, last)
    local conditions, argument, name = rest:match("^%%(!?[%d,]*){([^}]+)}([%a%%])")
    if argument then
        local make = apache_arguments[name] or error("unknown variable: " .. name)
        return apache_grammar((make(argument)), last), #conditions + #argument + 4
    end
    local sign
    sign, name = rest:match("^%%([<>]?)([%a%%])")
    if not name then return nil end
    local known = apache_variables[name] or error("unknown variable: " .. name)
    return apache_grammar(known, last), #sign + 2
end

local escapes = {t = "\t", n = "\n", ['"'] = '"', ["\\"] = "\\"}
local escape = (P"\\" * C(S'tn"\\')) / escapes
             + (P"\\" * C(digit * digit^-2)) / function(number) return string.char(number) end
local unescaped = Cs((escape + 1)^0)

function M.build_apache_grammar(log_format)
    return build(log_format, apache_variable, function(text) return unescaped:match(text) end)
end

-- ---- user agents ----

local systems = { -- the first that is in the text
    {"iPod"}, {"iPad"}, {"iPhone"}, {"Android"}, {"BlackBerry"}, {"Linux"}, {"Macintosh"},
    {"Mozilla/5.0 (Mobile;", "FirefoxOS"},
    {"Windows NT 10.0", "Windows 10"}, {"Windows NT 6.3", "Windows 8.1"},
    {"Windows NT 6.2", "Windows 8"}, {"Windows NT 6.1", "Windows 7"},
    {"Windows NT 6.0", "Windows Vista"}, {"Windows NT 5.1", "Windows XP"},
    {"Windows NT 5.0", "Windows 2000"},
}

local browsers = { -- and what its version stands behind; without that: behind the last slash
    {"Chrome", "Chrome/"}, {"Opera Mini"}, {"Opera Mobi"}, {"Opera"}, {"MSIE", "MSIE "}, {"Safari"},
    {"Firefox", "Firefox/"},
}

local function find_in(text, rows)
    for _, row in ipairs(rows) do
        if text:find(row[1], 1, true) then return row end
    end
end

local function version_of(text, mark)
    local last
    if mark then
        _, last = text:find(mark, 1, true)
    else
        last = text:find("/[^/]*$")
    end
    return last and tonumber(text:match("^%d+", last + 1))
end

function M.normalize_user_agent(text)
    if not text then return end
    local system, browser = find_in(text, systems), find_in(text, browsers)
    return browser and browser[1], browser and version_of(text, browser[2]),
        system and (system[2] or system[1])
end

-- ---- nginx's error log ----

local levels = {"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"}
local level
for severity, name in ipairs(levels) do
    local one = P(name) / function() return severity - 1 end
    level = level and level + one or one
end

M.nginx_error_grammar = Ct(
    Cg(dt.build_strftime_grammar("%Y/%m/%d %T") / dt.time_to_ns, "Timestamp") * blank
    * "[" * Cg(level, "Severity") * "]" * blank * Cg(integer, "Pid") * "#"
    * Cg(Ct(Cg(integer, "tid") * ": " * ("*" * Cg(integer, "connection") * " ")^-1), "Fields")
    * Cg(P(1)^0, "Payload"))

return M
