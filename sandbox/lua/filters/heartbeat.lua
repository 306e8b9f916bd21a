-- SPDX-License-Identifier: MPL-2.0
--
-- heartbeat - which hosts are there: JSON of all that ever sent a message, and an alert when one
-- has been silent too long.
-- Options: heartbeat_timeout (30 s); alert_throttle (300 s): between two alerts of one host.
require "math"
require "string"
local cjson = require "cjson"
local alert = require "alert"

local timeout_ms = (read_config("heartbeat_timeout") or 30) * 1000
local throttle_ms = (read_config("alert_throttle") or 300) * 1000

alert.set_throttle(0)
hosts = {} -- by name: last_heartbeat and last_alert in milliseconds, status

function process_message()
    local name = read_message("Hostname")
    hosts[name] = hosts[name] or {last_alert = 0, status = "up"}
    hosts[name].last_heartbeat = math.floor(read_message("Timestamp") / 1e6)
    return 0
end

function timer_event(ns)
    local now_ms = math.floor(ns / 1e6)
    for name, host in pairs(hosts) do
        local is_down = now_ms - host.last_heartbeat > timeout_ms
        host.status = is_down and "down" or "up"
        if is_down and now_ms - host.last_alert > throttle_ms then
            alert.queue(ns, string.format("Missing Heartbeat - %s\n", name))
            host.last_alert = now_ms
        end
    end
    alert.send_queue(ns)
    inject_payload("json", "heartbeat", cjson.encode(hosts))
end
