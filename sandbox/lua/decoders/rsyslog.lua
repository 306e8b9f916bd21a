-- SPDX-License-Identifier: MPL-2.0
--
-- rsyslog - lines that rsyslog wrote with a template to messages. Headers come from the template's
-- properties: timestamp, pri (or a severity), syslogtag (Pid; the program is the field
-- programname), hostname or source, msg (the payload); every other property is a field.
-- Options: template, type, hostname_keep (hostname and source stay fields), tz.
local syslog = require "syslog"

local type_name = read_config("type")
local hostname_keep = read_config("hostname_keep")
local grammar = syslog.build_rsyslog_grammar(read_config("template"))

local severities = {"syslogseverity", "syslogseverity-text", "syslogpriority",
                    "syslogpriority-text"}

-- Takes the names out of the fields; the value of the first that is there.
local function take(fields, ...)
    local found
    for _, name in ipairs{...} do
        if found == nil then found = fields[name] end
        fields[name] = nil
    end
    return found
end

function process_message()
    local fields = grammar:match(read_message("Payload"))
    if not fields then return -1 end
    local message = {Type = type_name, Timestamp = take(fields, "timestamp"), Fields = fields}
    local pri, tag = take(fields, "pri"), take(fields, "syslogtag")
    if pri then
        message.Severity, fields.syslogfacility = pri.severity, pri.facility
    else
        message.Severity = take(fields, unpack(severities))
    end
    if tag then
        message.Pid, fields.programname = tag.pid, tag.programname
    end
    if not hostname_keep then message.Hostname = take(fields, "hostname", "source") end
    message.Payload = take(fields, "msg")
    return pcall(inject_message, message) and 0 or -1
end
