-- SPDX-License-Identifier: MPL-2.0
--
-- bind_query_log - lines of BIND's query log to messages with the fields FullQuery, QueryName,
-- QueryDomain, RecordClass, RecordType, QueryFlags, ClientIP, ClientEphemeralPort,
-- ServerRespondingIP, Timestamp. The line stays as payload. Options: type, formats (not used).
local lpeg = require "lpeg"
local bind = require "bind"

local type_name = read_config("type")
local grammar = lpeg.Ct(bind.query_log_grammar)

function process_message()
    local line = read_message("Payload")
    local fields = grammar:match(line)
    if not fields then return -1, "Failed to parse the BIND query log line." end
    inject_message{Type = type_name, Timestamp = fields.Timestamp, Payload = line, Fields = fields}
    return 0
end
