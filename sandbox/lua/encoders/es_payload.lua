-- SPDX-License-Identifier: MPL-2.0
--
-- es_payload - payloads that are JSON documents already, for Elasticsearch's bulk API.
-- Options: index ("heka-%{%Y.%m.%d}"), type_name ("message"), id, with "%{...}" of msg_interpolate;
-- es_index_from_timestamp: its dates are the message's, not now.
local elasticsearch = require "elasticsearch"

local index = read_config("index") or "heka-%{%Y.%m.%d}"
local type_name = read_config("type_name") or "message"
local id = read_config("id")
local by_message = read_config("es_index_from_timestamp")

function process_message()
    local ns = by_message and read_message("Timestamp") or nil
    local document = read_message("Payload")
    add_to_payload(elasticsearch.bulkapi_index_json(index, type_name, id, ns), "\n", document)
    if not document:find("\n$") then add_to_payload("\n") end
    inject_payload()
    return 0
end
