-- SPDX-License-Identifier: MPL-2.0
--
-- unique_items - a graph of how many different values a header or field has in each period, counted
-- by HyperLogLog.
-- Options: message_variable, title ("Estimated Unique Daily VARIABLE"), enable_delta (false), rows
-- (365), seconds_per_row (86400), preservation_version.
require "math"
require "circular_buffer"
require "hyperloglog"

_PRESERVATION_VERSION = read_config("preservation_version") or 0

local variable = read_config("message_variable")
    or error("message_variable configuration must be specified")
local title = read_config("title") or "Estimated Unique Daily " .. variable
local enable_delta = read_config("enable_delta") or false
local rows, seconds = read_config("rows") or 365, read_config("seconds_per_row") or 86400

active_period = 0
hll = hyperloglog.new()
active = circular_buffer.new(rows, 1, seconds, enable_delta)
active:set_header(1, variable:match("^Fields%[([^%]]+)%]") or variable)

function process_message()
    local ns = read_message("Timestamp")
    local period = math.floor(ns / (seconds * 1e9))
    if period < active_period then return 0 end
    if period > active_period then
        active_period = period
        hll:clear()
    end
    local item = read_message(variable)
    if type(item) ~= "string" and type(item) ~= "number" then return -1 end
    if hll:add(item) then active:set(ns, 1, hll:count()) end
    return 0
end

function timer_event()
    inject_payload("cbuf", title, active:format("cbuf"))
    if enable_delta then inject_payload("cbufd", title, active:format("cbufd")) end
end
