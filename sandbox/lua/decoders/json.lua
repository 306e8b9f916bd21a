-- SPDX-License-Identifier: MPL-2.0
--
-- json - JSON documents to messages; objects in objects become fields with names like "a.b".
--
-- Options: type ("json"); payload_keep; map_fields: the options Payload, Uuid, Type, Logger,
-- Hostname, Severity, EnvVersion and Pid name keys whose values become these headers, when they are
-- of the right kind; Timestamp: a key likewise, by timestamp_format (of strftime) if that is there,
-- else nanoseconds; maximum_depth: objects further down stay JSON; separator (".").
local cjson = require "cjson"
local dt = require "date_time"
local util = require "util"

local type_name = read_config("type") or "json"
local map_fields = read_config("map_fields")
local payload_keep = read_config("payload_keep")
local maximum_depth = read_config("maximum_depth")
local separator = read_config("separator")
local time_key = read_config("Timestamp")
local time_format = read_config("timestamp_format")
local time_grammar = time_format and dt.build_strftime_grammar(time_format)

local kinds = {Payload = "string", Uuid = "string", Type = "string", Logger = "string",
               Hostname = "string", Severity = "number", EnvVersion = "number", Pid = "number"}
local keys = {}
for header in pairs(kinds) do keys[header] = read_config(header) end

local function map_headers(document, message)
    for header, key in pairs(keys) do
        if type(document[key]) == kinds[header] then
            message[header] = document[key]
            document[key] = nil
        end
    end
end

-- False when there is a time that is not in the format.
local function map_time(document, message)
    local value = document[time_key]
    document[time_key] = nil
    if value == nil or not time_grammar then
        message.Timestamp = value
        return true
    end
    local parts = type(value) == "string" and time_grammar:match(value)
    message.Timestamp = parts and dt.time_to_ns(parts) or nil
    return parts and true or false
end

function process_message()
    local payload = read_message("Payload")
    local is_json, document = pcall(cjson.decode, payload)
    if not is_json then return -1, "Failed to decode JSON." end
    local fields = {}
    local message = {Type = type_name, Fields = fields, Payload = payload_keep and payload or nil}
    if type(document) == "table" then
        if map_fields then map_headers(document, message) end
        if time_key and not map_time(document, message) then
            return -1, "Failed to decode timestamp."
        end
    end
    if not pcall(util.table_to_fields, document, fields, nil, separator, maximum_depth) then
        return -1, "Failed to flatten message."
    end
    if not pcall(inject_message, message) then return -1, "Failed to inject message." end
    return 0
end
