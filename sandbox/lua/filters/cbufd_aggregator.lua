-- SPDX-License-Identifier: MPL-2.0
--
-- cbufd_aggregator - adds up the circular buffers that other hosts send as their deltas, by the
-- payload's name. A column's aggregation says how: sum, min, max.
-- Options: enable_delta (false): passes the deltas on; anomaly_config; preservation_version.
require "circular_buffer"
local cjson = require "cjson"
local alert = require "alert"
local annotation = require "annotation"
local cbufd = require "cbufd"
local graph = require "graph"

_PRESERVATION_VERSION = read_config("preservation_version") or 0

local enable_delta = read_config("enable_delta") or false

cbufs = {}

local function new_buffer(name, text)
    local is_json, header = pcall(cjson.decode, text)
    if not is_json then return end
    local buffer = circular_buffer.new(header.rows, header.columns, header.seconds_per_row,
                                       enable_delta)
    for i, column in ipairs(header.column_info) do
        buffer:set_header(i, column.name, column.unit, column.aggregation)
    end
    annotation.set_prune(name, header.rows * header.seconds_per_row * 1e9)
    cbufs[name] = buffer
    return buffer
end

local function put(buffer, ns, column, value)
    local _, _, aggregation = buffer:get_header(column)
    if aggregation == "sum" then
        buffer:add(ns, column, value)
    elseif aggregation == "min" or aggregation == "max" then
        buffer:set(ns, column, value)
    end
end

function process_message()
    local name = read_message("Fields[payload_name]") or ""
    local found = cbufd.grammar:match(read_message("Payload"))
    local buffer = found and (cbufs[name] or new_buffer(name, found.header))
    if not buffer then return -1 end
    for _, row in ipairs(found) do
        for column, value in ipairs(row) do
            if value == value then put(buffer, row.time, column, value) end -- not a number: no news
        end
    end
    return 0
end

function timer_event(ns)
    for name, buffer in pairs(cbufs) do
        graph.inject(ns, name, buffer, buffer:format("cbuf"))
        if enable_delta then inject_payload("cbufd", name, buffer:format("cbufd")) end
    end
    alert.send_queue(ns)
end
