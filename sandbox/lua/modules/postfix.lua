-- SPDX-License-Identifier: MPL-2.0
--
-- postfix - what Postfix's daemons write to the log.
--
-- postfix_match(programname, message, extract): a table of fields whose names start with
-- "postfix_"; nil when the program is none of Postfix's ("postfix/smtpd"), or the message is not
-- known. Addresses and names of hosts are {value =, representation = "ipv4", "ipv6", "hostname"},
-- whole numbers {value =, value_type = 2}. `extract`: the pairs of postfix_keyvalue_data become
-- fields, and so do the parts of its client, relay and delays.
local lpeg = require "lpeg"
local ip = require "ip_address"
local template = require "line_template"
local C, Cc, Cf, Cg, Ct, P, R, S = lpeg.C, lpeg.Cc, lpeg.Cf, lpeg.Cg, lpeg.Ct, lpeg.P, lpeg.R,
    lpeg.S

local M = {}

-- ---- kinds of values ----

local digits, letters = R"09"^1, R("az", "AZ")^1
local number = digits * ("." * digits)^-1 / tonumber

local function as(representation, pattern)
    return Ct(Cg(pattern, "value") * Cg(Cc(representation), "representation"))
end
local address = as("ipv4", ip.v4) + as("ipv6", ip.v6)
local host = address + as("hostname", (1 - S"[] ")^1)

local function words(...)
    local pattern = P(false)
    for _, word in ipairs{...} do pattern = pattern + P(word) end
    return pattern
end

-- name[address]:port
local function peer(name, where)
    return Cg(host, name .. "_hostname")^-1 * "[" * where * "]"
        * (":" * Cg(digits / tonumber, name .. "_port"))^-1
end
local client = peer("postfix_client", Cg(address, "postfix_client_ip"))
local relay = peer("postfix_relay", Cg(address, "postfix_relay_ip")
                   + Cg((1 - P"]")^1, "postfix_relay_service"))

local client_ip = ":" * Cg(address, "postfix_client_ip")
local no_colon = (1 - P":")^1

local kinds = {
    access = words("DISCONNECT", "BLACKLISTED", "WHITELISTED", "WHITELIST VETO", "PASS NEW",
                   "PASS OLD"),
    action = words("reject", "defer", "accept", "header-redirect"),
    alphanumeric = R("az", "AZ", "09")^1,
    before_pairs = (1 - "; " * letters * "=")^1,
    client = client,
    code = R"09" * R"09" * R"09" / tonumber,
    count = digits / tonumber,
    digits = digits,
    enhanced = R"09" * "." * R"09" * "." * R"09",
    host = host,
    ip = address,
    letters = letters,
    lost = words("lost connection", "timeout", "Connection timed out"),
    no_angle = (1 - P">")^1,
    no_colon = no_colon,
    no_parenthesis = (1 - P")")^1,
    number = number,
    period = digits * S"smhd",
    queue = R("09", "af", "AF")^6 + R("az", "AZ", "09")^15 + "NOQUEUE",
    relay = relay,
    response = (1 - P")" * -1)^1,
    rest = P(1)^1,
    service = Cg(no_colon, "postfix_service") * client_ip
        + Cg(no_colon * ":" * digits, "postfix_service") * client_ip,
    solid = (1 - S" \t\n\v\f\r")^0,
    stage = words("CONNECT", "HELO", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET",
                  "UNKNOWN", "END-OF-MESSAGE", "VRFY", "."),
    violation = words("BARE NEWLINE", "COMMAND TIME LIMIT", "COMMAND COUNT LIMIT",
                      "COMMAND LENGTH LIMIT", "COMMAND PIPELINING", "DNSBL", "HANGUP",
                      "NON-SMTP COMMAND", "PREGREET"),
}

-- ---- messages, by daemon ----

local queue = "{queue:postfix_queueid}: "
local warning = "{=warning|fatal}: {rest:postfix_warning}"
local pairs_of_queue = queue .. "{rest:postfix_keyvalue_data}"
local pairs_only = queue .. "{postfix_keyvalue_data+}"

local tls = "{=Anonymous|Trusted|Untrusted|Verified} TLS connection established "
local cipher = ": {solid:postfix_tls_version} with cipher {solid:postfix_tls_cipher} "
    .. "({solid:postfix_tls_cipher_size} bits)..."
local tls_to, tls_from = tls .. "to {relay}" .. cipher, tls .. "from {client}" .. cipher

local refusal = "NOQUEUE: {action:postfix_action}: {stage:postfix_smtp_stage} from {client}: "
    .. "{code:postfix_status_code} {enhanced:postfix_status_code_enhanced}"
    .. "[? <{postfix_status_data+}>:?] "
local refused_by_list = refusal .. "Service unavailable; {}[{postfix_status_data}] "
    .. "{before_pairs:postfix_status_message}; {rest:postfix_keyvalue_data}"
local refused = refusal .. "{postfix_status_message}; {rest:postfix_keyvalue_data}"

local daemons = {}

daemons.smtpd = {
    "connect from {client}...",
    "disconnect from {client}...",
    "{lost:postfix_smtpd_lostconn_data} after {stage:postfix_smtp_stage}[? ({digits} bytes)?] "
        .. "from {client}...",
    "{postfix_action+} from {client}: {lost:postfix_smtpd_lostconn_data}...",
    refused_by_list,
    refused,
    "improper command pipelining after {stage:postfix_smtp_stage} from {client}:...",
    tls_to,
    tls_from,
    warning,
    "proxy-{action:postfix_proxy_result}: {stage:postfix_proxy_smtp_stage}: "
        .. "[?{code:postfix_proxy_status_code} ?]"
        .. "[?{enhanced:postfix_proxy_status_code_enhanced} ?]{}; {rest:postfix_keyvalue_data}",
    pairs_of_queue,
}

daemons.cleanup = {
    queue .. "milter-{action:postfix_milter_result}: {postfix_milter_message+}; "
        .. "{no_colon:postfix_keyvalue_data}[?: {rest:postfix_milter_data}?]...",
    warning,
    pairs_of_queue,
}

daemons.qmgr = {queue .. "removed...", pairs_only .. " (queue active)...", warning}

daemons.pipe = {
    pairs_only .. " (delivered via {alphanumeric:postfix_pipe_service}...",
    pairs_only .. " (mail forwarding loop for {no_parenthesis:postfix_to}...",
}

daemons.postscreen = {
    "CONNECT from {client} to [{ip:postfix_server_ip}]:{number:postfix_server_port}...",
    "{access:postfix_postscreen_access} {client}...",
    refused_by_list,
    refused,
    "NOQUEUE: reject: CONNECT from {client}: {rest:postfix_postscreen_toobusy_data}",
    "cache {+} full cleanup: retained={count:postfix_postscreen_cache_retained} "
        .. "dropped={count:postfix_postscreen_cache_dropped} entries...",
    "{violation:postfix_postscreen_violation} rank {count:postfix_postscreen_dnsbl_rank} "
        .. "for {client}...",
    "{violation:postfix_postscreen_violation}[? {digits}?]"
        .. "[? after {number:postfix_postscreen_violation_time}?] from {client}"
        .. "[? after {stage:postfix_smtp_stage}?]...",
    warning,
}

daemons.dnsblog = {
    "addr {ip:postfix_client_ip} listed by domain {host:postfix_dnsbl_domain} "
        .. "as {ip:postfix_dnsbl_result}...",
}

daemons.anvil = {
    "statistics: max connection rate {count:postfix_anvil_conn_rate}/"
        .. "{period:postfix_anvil_conn_period} for ({service}) at {rest:postfix_anvil_timestamp}",
    "statistics: max cache size {count:postfix_anvil_cache_size} "
        .. "at {rest:postfix_anvil_timestamp}",
    "statistics: max connection count {count:postfix_anvil_conn_count} for ({service}) "
        .. "at {rest:postfix_anvil_timestamp}",
}

daemons.smtp = {
    pairs_only .. " status={letters:postfix_status}[? ({response:postfix_smtp_response})?]...",
    "connect to {relay}: {=Connection timed out|No route to host|Connection refused}...",
    queue .. "{lost} with {relay}...",
    tls_to,
    tls_from,
    warning,
}
daemons.lmtp = daemons.smtp

daemons.discard = {pairs_only .. " status={alphanumeric:postfix_status}..."}

daemons.pickup = {
    queue .. "uid={postfix_uid+} from=<{no_angle:postfix_from}"
        .. "[?> orig_id={rest:postfix_orig_id}?]...",
}

daemons.tlsproxy = {"{=DISCONNECT|CONNECT}[? from?] {client}..."}

daemons.master = {
    "{=daemon started|reload} -- version {postfix_version+}, "
        .. "configuration {rest:postfix_config_path}",
    "terminating on signal {count:postfix_termination_signal}...",
}

daemons.bounce = {
    queue .. "sender {=non-delivery|delivery status|delay} notification: "
        .. "{queue:postfix_bounce_queueid}...",
}

daemons.scache = {
    "statistics: {=address|domain} lookup hits={count:postfix_scache_hits} "
        .. "miss={count:postfix_scache_miss} success={count:postfix_scache_success}...",
    "statistics: max simultaneous domains={count:postfix_scache_domains} "
        .. "addresses={count:postfix_scache_addresses} "
        .. "connection={count:postfix_scache_connection}...",
    "statistics: start interval {rest:postfix_scache_timestamp}",
}

for _, name in ipairs{"sendmail", "postdrop", "trivial_rewrite", "tlsmgr"} do
    daemons[name] = {warning}
end
daemons["local"] = {pairs_of_queue}

-- ---- pairs: key=value or key=<value>, separated by ", " ----

local key = (letters + "_")^1
local pair_end = ", " * key * "=" + P","^-1 * -1
local value = "<" * C((1 - ">" * pair_end)^0) * ">" + C((1 - pair_end)^0)
local pair_list = Cf(Ct"" * (Cg(C(key) * "=" * value) * (", " + P","^-1 * -1)^-1)^0, rawset)

local delays = template.compile({
    "{number:postfix_delay_before_qmgr}/{number:postfix_delay_in_qmgr}/"
        .. "{number:postfix_delay_conn_setup}/{number:postfix_delay_transmission}...",
}, kinds)

-- Fields that have parts of their own.
local parts = {postfix_client = Ct(client), postfix_relay = Ct(relay), postfix_delays = delays}

local function extract_pairs(fields)
    local found = pair_list:match(fields.postfix_keyvalue_data)
    fields.postfix_keyvalue_data = nil
    for name, text in pairs(found) do fields["postfix_" .. name] = text end
    for name, grammar in pairs(parts) do
        local inner = fields[name] and grammar:match(fields[name])
        if inner then
            fields[name] = nil
            for inner_name, inner_value in pairs(inner) do fields[inner_name] = inner_value end
        end
    end
end

local integers = {"anvil_cache_size", "anvil_conn_count", "anvil_conn_rate", "client_port", "nrcpt",
    "postscreen_cache_dropped", "postscreen_cache_retained", "postscreen_dnsbl_rank", "relay_port",
    "server_port", "size", "status_code", "termination_signal", "uid"}

local function set_types(fields)
    for _, name in ipairs(integers) do
        local found = fields["postfix_" .. name]
        if found then
            fields["postfix_" .. name] = {value = tonumber(found), value_type = 2}
        end
    end
    fields.postfix_delay = fields.postfix_delay and tonumber(fields.postfix_delay)
    return fields
end

local compiled = { -- the others when they are asked for
    delays = delays,
    keyvalue_data = pair_list,
    relay_info = Ct(relay),
}

function M.postfix_match(programname, message, extract)
    local daemon = programname:match("^[^/]+/(.+)$")
    if not daemon then return nil end
    if not compiled[daemon] and daemons[daemon] then
        compiled[daemon] = template.compile(daemons[daemon], kinds)
    end
    local fields = compiled[daemon] and compiled[daemon]:match(message)
    if not fields then return nil end
    if extract and fields.postfix_keyvalue_data then extract_pairs(fields) end
    return set_types(fields)
end

return M
