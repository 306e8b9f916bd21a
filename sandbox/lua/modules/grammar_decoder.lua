-- SPDX-License-Identifier: MPL-2.0
--
-- grammar_decoder - what decoders share that make a message of what a grammar finds in the payload.
local M = {}

-- Injects a message with these fields, and with the payload when the plugin's option payload_keep
-- asks for it.
function M.inject(type_name, fields, payload)
    inject_message{Type = type_name, Fields = fields,
                   Payload = read_config("payload_keep") and payload or nil}
end

-- A process_message() for fields that `grammar` captures in the payload as one table. `carried`:
-- names of fields that the message has already and that go on.
function M.new(type_name, grammar, carried)
    return function()
        local payload = read_message("Payload")
        local fields = grammar:match(payload)
        if not fields then return -1 end
        for _, name in ipairs(carried or {}) do
            fields[name] = read_message("Fields[" .. name .. "]")
        end
        M.inject(type_name, fields, payload)
        return 0
    end
end

return M
