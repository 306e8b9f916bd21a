-- SPDX-License-Identifier: MPL-2.0
--
-- cbufd_host_aggregator - the circular buffers that hosts send as their deltas side by side: for
-- each column of each payload a graph with a column for each host.
-- Options: max_hosts, rows; host_expiration (120 s): after so long another host may take the place
-- of one; preservation_version.
require "math"
require "string"
require "circular_buffer"
local cjson = require "cjson"
local cbufd = require "cbufd"

_PRESERVATION_VERSION = read_config("preservation_version") or 0

local expiration = (read_config("host_expiration") or 120) * 1e9
local rows = read_config("rows") or error("rows configuration must be specified")
local hosts_max = read_config("max_hosts") or error("max_host configuration must be specified")
local OPTIONS = '{"options":{"stackedGraph":true,"fillGraph":true}}\n'

hosts = {} -- by name: { index = column, last_update = nanoseconds }
hosts_size = 0
payloads = {} -- by name: { header, cbufs = one for each column }

local function set_header(payload, i, host, name)
    local column = payload.header.column_info[i]
    payload.cbufs[i]:set_header(host.index, name, column.unit, column.aggregation)
end

-- The place of a host that has been silent too long, with what is in it.
local function take_place(ns)
    for name, host in pairs(hosts) do
        if ns - host.last_update >= expiration then
            hosts[name] = nil
            return host
        end
    end
    error("The number of hosts exceeds the 'max_hosts' configuration")
end

local function new_host(name, ns)
    local host
    if hosts_size < hosts_max then
        hosts_size = hosts_size + 1
        host = {index = hosts_size}
    else
        host = take_place(ns)
    end
    host.last_update, hosts[name] = ns, host
    for _, payload in pairs(payloads) do
        for i in ipairs(payload.cbufs) do set_header(payload, i, host, name) end
    end
    return host
end

local function new_payload(name, text)
    local is_json, header = pcall(cjson.decode, text)
    if not is_json then return end
    local payload = {header = header, cbufs = {}}
    for i in ipairs(header.column_info) do
        payload.cbufs[i] = circular_buffer.new(rows, hosts_max, header.seconds_per_row)
        for host_name, host in pairs(hosts) do set_header(payload, i, host, host_name) end
    end
    payloads[name] = payload
    return payload
end

local function put(payload, column, host, ns, value)
    local info = payload.header.column_info[column]
    local aggregation = info and info.aggregation
    if aggregation == "sum" then
        payload.cbufs[column]:add(ns, host.index, value)
    elseif aggregation == "min" or aggregation == "max" then
        payload.cbufs[column]:set(ns, host.index, value)
    end
end

function process_message()
    local ns, host_name = read_message("Timestamp"), read_message("Hostname")
    local name = read_message("Fields[payload_name]") or ""
    local found = cbufd.grammar:match(read_message("Payload"))
    if not found then return -1 end
    local host = hosts[host_name] or new_host(host_name, ns)
    local payload = payloads[name] or new_payload(name, found.header)
    if not payload then return -1 end
    host.last_update = math.max(host.last_update, ns)
    for _, row in ipairs(found) do
        for column, value in ipairs(row) do
            if value == value then put(payload, column, host, row.time, value) end
        end
    end
    return 0
end

function timer_event()
    for name, payload in pairs(payloads) do
        for i, buffer in ipairs(payload.cbufs) do
            local title = string.format("%s (%s)", name, payload.header.column_info[i].name)
            inject_payload("cbuf", title, OPTIONS, buffer)
        end
    end
end
