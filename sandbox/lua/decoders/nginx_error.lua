-- SPDX-License-Identifier: MPL-2.0
--
-- nginx_error - lines of nginx's error log to messages: Timestamp, Severity, Pid, the fields tid
-- and connection; the rest is the payload, or the whole line. Options: type, payload_keep.
local clf = require "common_log_format"

local type_name = read_config("type") or "nginx.error"
local payload_keep = read_config("payload_keep")

function process_message()
    local line = read_message("Payload")
    local message = clf.nginx_error_grammar:match(line)
    if not message then return -1 end
    message.Type = type_name
    if payload_keep then message.Payload = line end
    inject_message(message)
    return 0
end
