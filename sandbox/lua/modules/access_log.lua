-- SPDX-License-Identifier: MPL-2.0
--
-- access_log - the decoder of a web server's access log, by a grammar of common_log_format.
--
-- Options of the plugin: type, payload_keep, user_agent_transform (http_user_agent becomes
-- user_agent_browser, _version and _os), user_agent_keep (and stays), user_agent_conditional (and
-- stays when the browser is not known).
local clf = require "common_log_format"

local M = {}

local type_name = read_config("type")
local payload_keep = read_config("payload_keep")
local transform = read_config("user_agent_transform")
local keep = read_config("user_agent_keep")
local keep_unknown = read_config("user_agent_conditional")

local function transform_user_agent(fields)
    fields.user_agent_browser, fields.user_agent_version, fields.user_agent_os =
        clf.normalize_user_agent(fields.http_user_agent)
    if not keep and not (keep_unknown and not fields.user_agent_browser) then
        fields.http_user_agent = nil
    end
end

-- A process_message().
function M.decoder(grammar)
    return function()
        local line = read_message("Payload")
        local fields = grammar:match(line)
        if not fields then return -1 end
        local message = {Timestamp = fields.time, Type = type_name, Fields = fields,
                         Payload = payload_keep and line or nil}
        fields.time = nil
        if transform and fields.http_user_agent then transform_user_agent(fields) end
        inject_message(message)
        return 0
    end
end

return M
