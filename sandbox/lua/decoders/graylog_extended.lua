-- SPDX-License-Identifier: MPL-2.0
--
-- graylog_extended - GELF documents to messages: timestamp, version, level and host are headers,
-- everything else fields. Options: type, payload_keep.
local cjson = require "cjson"

local type_name = read_config("type")
local payload_keep = read_config("payload_keep")

-- Takes a key out of the document.
local function take(document, key)
    local value = document[key]
    document[key] = nil
    return value
end

function process_message()
    local payload = read_message("Payload")
    local is_json, document = pcall(cjson.decode, payload)
    if not is_json or type(document) ~= "table" or type(document.timestamp) ~= "number" then
        return -1
    end
    local message = {
        Timestamp = take(document, "timestamp") * 1e9,
        EnvVersion = take(document, "version"),
        Severity = take(document, "level"),
        Hostname = take(document, "host"),
        Type = type_name,
        Payload = payload_keep and payload or nil,
        Fields = document,
    }
    return pcall(inject_message, message) and 0 or -1
end
