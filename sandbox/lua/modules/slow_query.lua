-- SPDX-License-Identifier: MPL-2.0
--
-- slow_query - the decoder of a database's log of slow queries, by a grammar of mysql.
-- Option of the plugin: truncate_sql, bytes of the statement that stay in the payload.
local M = {}

local size_max = read_config("truncate_sql")

-- A process_message().
function M.decoder(grammar, type_name)
    return function()
        local message = grammar:match(read_message("Payload"))
        if not message then return -1 end
        message.Type = type_name
        if size_max and #message.Payload > size_max then
            message.Payload = message.Payload:sub(1, size_max) .. "..."
        end
        inject_message(message)
        return 0
    end
end

return M
