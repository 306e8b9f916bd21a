-- SPDX-License-Identifier: MPL-2.0
--
-- syslog_message - LPeg grammars of what well-known programs write to syslog, without its header.
--
--   get_prog_grammar(programname)   of a program's messages; nil for others
--   get_wildcard_grammar(name)      of messages that many programs write: "PAM"; an array of names:
--                                   an array of grammars; nothing: all, by name
--
-- A grammar gives a table of fields; addresses are {value =, representation = "ipv4" or "ipv6"}.
local lpeg = require "lpeg"
local ip = require "ip_address"
local template = require "line_template"
local Cc, Cg, Ct, P, R, S = lpeg.Cc, lpeg.Cg, lpeg.Ct, lpeg.P, lpeg.R, lpeg.S

local M = {}

-- ---- kinds of values ----

local digits, hex = R"09"^1, R("09", "af", "AF")
local pair = hex * hex

local function address(pattern, name)
    return Ct(Cg(pattern, "value") * Cg(Cc(name), "representation"))
end
local v4 = address(ip.v4, "ipv4")

local class_name = R"AZ" * (R("az", "09") + "_")^0
local class = class_name * ("::" * class_name)^0
local resource = class * "[" * (1 - P"]")^1 * "]"

local kinds = {
    count = digits / tonumber,
    digits = digits,
    float = P"-"^-1 * digits * ("." * digits)^1 / tonumber,
    hardware = pair * (":" * pair)^0,
    hardware_or_none = pair * (":" * pair)^0 + "<no identifier>",
    ip = v4 + address(ip.v6, "ipv6"),
    ip4 = v4,
    key = (1 - S" :")^1,
    method = (1 - S"/ ")^1,
    no_colon = (1 - P":")^1,
    no_parenthesis = (1 - P")")^1,
    parameter = (R("az", "09") + "_")^1,
    path = ("/" * (resource + class))^1,
    resource = resource,
    rest = P(1)^1,
    signed = P"-"^-1 * digits / tonumber,
    view = (1 - P": ")^1,
    word = (1 - P" ")^1,
}

-- ---- programs ----

local programs = {}

programs.CRON = {"({cron_username}) {cron_event} ({cron_detail})"}
programs.crontab = programs.CRON

programs.dhclient = {
    "{dhcp_type=DHCPDISCOVER} on {dhcp_client_interface} to {ip4:dhcp_server_addr} "
        .. "port {count:dhcp_server_port} interval {count:dhcp_client_interval_seconds}",
    "{dhcp_type=DHCPREQUEST|DHCPDECLINE|DHCPRELEASE} on {dhcp_client_interface} "
        .. "to {ip4:dhcp_server_addr} port {count:dhcp_server_port}",
    "{dhcp_type=DHCPACK} from {ip4:dhcp_server_addr}",
    "bound to {ip4:dhcp_client_addr} -- renewal in {count:dhcp_client_renewal_seconds} seconds.",
}

local host = "[?({no_parenthesis:dhcp_client_hostname}) ?]"
local message = "[?: {rest:dhcp_message}?]"
local lease = "[? [{signed:dhcp_lease_time}]?]"
local pool = " pool {dhcp_pool_id} {dhcp_network}  total {signed:dhcp_lease_count}  "
    .. "free {signed:dhcp_free_leases}  backup {signed:dhcp_backup_leases}  lts {signed:dhcp_lts}  "

programs.dhcpd = {
    "{dhcp_type=BOOTREQUEST} from {hardware:dhcp_client_hw_addr} via {no_colon:dhcp_source}",
    "{dhcp_type=BOOTREPLY} for {ip4:dhcp_client_addr} to {dhcp_client_addr} "
        .. "({hardware:dhcp_client_hw_addr}) via {no_colon:dhcp_source}",
    "{dhcp_type=DHCPDISCOVER} from {hardware_or_none:dhcp_client_hw_addr} " .. host
        .. "via {no_colon:dhcp_source}" .. message,
    "{dhcp_type=DHCPOFFER|DHCPACK|BOOTREPLY} on {ip4:dhcp_client_addr} "
        .. "to {word:dhcp_client_hw_addr} " .. host .. "via {word:dhcp_source}" .. lease .. message,
    "{dhcp_type=DHCPACK} to {ip4:dhcp_client_addr} ({no_parenthesis:dhcp_client_hw_addr}) "
        .. "via {word:dhcp_source}" .. message .. lease,
    "{dhcp_type=DHCPNAK} on {ip4:dhcp_client_addr} to {word:dhcp_client_hw_addr} "
        .. "via {no_colon:dhcp_source}",
    "{dhcp_type=DHCPREQUEST} for {ip4:dhcp_client_addr}"
        .. "[? ({no_parenthesis:dhcp_server_addr})?] "
        .. "from {hardware_or_none:dhcp_client_hw_addr} " .. host .. "via {no_colon:dhcp_source}"
        .. message,
    "{dhcp_type=DHCPINFORM} from {ip4:dhcp_client_addr} via {no_colon:dhcp_source}" .. message,
    "{dhcp_pool_result=balancing}" .. pool .. "max-own (+/-){signed:dhcp_hold}"
        .. "[?  (requesting peer rebalance!)?]",
    "{dhcp_pool_result=balanced|IMBALANCED}" .. pool .. "max-misbal {signed:dhcp_thresh}",
    "bind update on {ip4:dhcp_client_addr} from {dhcp_failover_peer} "
        .. "{dhcp_bind_update_status=rejected}: {rest:dhcp_message}",
    "bind update on {ip4:dhcp_client_addr} {dhcp_bind_update_status=got ack} "
        .. "from {dhcp_failover_peer}: {rest:dhcp_message}",
}

programs.groupadd = {"new group: name={group_name}, GID={count:gid}"}
programs.groupdel = {"group '{group_name}' removed[? from {rest:group_dbname}?]..."}

programs.login = {
    "FAILED LOGIN ({count:failcount}) on '{tty}'[? from '{from}'?] FOR '{user}', {rest:pam_error}",
    "ROOT LOGIN  on '{tty}'[? from '{from}'?]",
}

local server = "{ip:dns_addr}#{count:dns_port}"
local client = "{ip:dns_client_addr}#{count:dns_client_port}"
local question = "'{dns_name}/{dns_type}/{dns_class}': "

programs.named = {
    "{dns_error=lame server} resolving '{dns_name}' (in '{dns_domain}'?): " .. server,
    "error ({dns_error}) resolving " .. question .. server,
    "{dns_error} resolving " .. question .. server,
    "{dns_error=DNS format error} from " .. server .. " resolving {dns_name}/{dns_type}"
        .. "[? for client " .. client .. "?]: {rest:dns_message}",
    "{dns_error=skipping nameserver} '{dns_nameserver}' because it is a CNAME, "
        .. "while resolving '{dns_name}'",
    "client " .. client .. "[?/key {key:dns_client_signer}?][? ({no_parenthesis:dns_name})?]"
        .. "[?: view {view:dns_view}?]: {rest:dns_message}",
    "success resolving '{dns_name}/{dns_type}' (in '{dns_domain}'?) after {rest:dns_message}",
    "zone {dns_domain}/{dns_class}/{dns_view}: {dns_message=sending notifies} "
        .. "(serial {count:dns_serial})",
    "clients-per-query decreased to {count:dns_clients_per_query}",
}

local parameter = "({path:puppet_resource_path}/{parameter:puppet_parameter})"
local whole = "({puppet_resource_path}) "

programs["puppet-agent"] = {
    {parameter .. " current_value {puppet_current_value}, should be {puppet_should_value} (noop)"
        .. "[? (previously recorded value was {rest:puppet_historical_value}?]",
     puppet_noop = true},
    parameter .. " {parameter:puppet_ensure_parameter} changed '{puppet_old_value}' "
        .. "to '{puppet_new_value}'",
    parameter .. " {puppet_change=executed successfully}",
    parameter .. "...",
    {whole .. "{puppet_msg=Would have triggered} '{puppet_callback}' "
        .. "from {signed:puppet_events_count} events", puppet_noop = true},
    whole .. "{puppet_msg=Triggered} '{puppet_callback}' from {signed:puppet_events_count} events",
    whole .. "Scheduling {puppet_callback} of {resource:puppet_callback_target}",
    whole .. "Unscheduling {puppet_callback} on {resource:puppet_callback_target}",
    whole .. "Filebucketed {puppet_file_path} to {puppet_bucket} with sum {puppet_file_sum}",
    "{puppet_msg=Finished catalog run} in {float:puppet_benchmark_seconds} seconds",
    "{=Retrieving pluginfacts|Retrieving plugin|Loading facts}",
    "{=Caching catalog for |Applying configuration version '|Computing checksum on file }...",
    "Run of Puppet configuration client already in progress; skipping (...",
}

programs.sshd = {
    "{sshd_authmsg=Accepted|Failed|Partial|Postponed} {method:sshd_method}"
        .. "[?/{method:sshd_submethod}?] for [?invalid user ?]{remote_user} from {ip:remote_addr} "
        .. "port {count:remote_port} {=ssh2|ssh1}[?: {rest:sshd_info}?]...",
    "Received disconnect from {ip:remote_addr}: [?{count:disconnect_reason}: ?]"
        .. "{rest:disconnect_msg}",
    "reverse mapping checking getaddrinfo for {remote_host}[{ip:remote_addr}] failed "
        .. "- POSSIBLE BREAK-IN ATTEMPT!",
    "subsystem request for {sshd_subsystem} by user {word:remote_user}",
    {"subsystem request for {sshd_subsystem}", remote_user = ""},
    "Connection closed by {ip:remote_addr} [preauth]",
    "Invalid user {remote_user} from {ip:remote_addr}",
    "input_userauth_request: invalid user {remote_user} [preauth]",
    "Exiting on signal {digits:signal}",
    "Received signal {digits:signal}; terminating.",
    "Server listening on {word:listen_address} port {digits:listen_port}.",
    "Did not receive identification string from {ip:remote_addr}",
    "{sshd_errorlevel=error|fatal}: {rest:sshd_error}",
}

programs.su = {
    "{su_status=Successful|FAILED} su for {su_name} by {rest:su_oldname}",
    "pam_authenticate: {rest:pam_error}",
    "{=+|-} ...",
}

programs.sudo = {
    "{sudo_message} : [?TTY={sudo_tty} ; ?][?PWD={sudo_pwd} ; ?][?USER={sudo_user} ; ?]"
        .. "[?GROUP={sudo_group} ; ?][?TSID={sudo_tsid} ; ?][?ENV={sudo_env} ; ?]"
        .. "COMMAND={rest:sudo_command}",
}

programs["systemd-logind"] = {
    {"New session {signed:session_id} of user {user_id}.", sd_message = "SESSION_START"},
    {"Removed session {signed:session_id}.", sd_message = "SESSION_STOP"},
}

programs.useradd = {
    "new user: name={user_name}, UID={count:uid}, GID={count:gid}, home={user_home}, "
        .. "shell={rest:user_shell}",
    "add '{user_name}{=' to group '|' to shadow group '}{group_name}'",
}

-- ---- messages of many programs ----

local origin = "{pam_module}({pam_service}:{pam_type}): "

local wildcards = {
    PAM = {
        origin .. "{pam_action=session opened} for user {user_name} by {login_name}"
            .. "(uid={count:uid})...",
        origin .. "{pam_action=session closed} for user {rest:user_name}",
        origin .. "{pam_action=authentication failure}; logname={logname} uid={count:uid} "
            .. "euid={count:euid} tty={tty} ruser={ruser} rhost={rhost}[?  user={rest:user}?]",
        origin .. "check pass; user [?({user_name}) ?]unknown...",
    },
}

-- Compiled when they are asked for.
local function grammar_of(templates, compiled, name)
    if not compiled[name] and templates[name] then
        compiled[name] = template.compile(templates[name], kinds)
    end
    return compiled[name]
end

local compiled_programs, compiled_wildcards = {}, {}

function M.get_prog_grammar(name)
    return grammar_of(programs, compiled_programs, name)
end

function M.get_wildcard_grammar(name)
    if type(name) == "string" then return grammar_of(wildcards, compiled_wildcards, name) end
    local found = {}
    if type(name) == "table" then
        for i, one in ipairs(name) do found[i] = M.get_wildcard_grammar(one) end
    else
        for one in pairs(wildcards) do found[one] = M.get_wildcard_grammar(one) end
    end
    return found
end

return M
