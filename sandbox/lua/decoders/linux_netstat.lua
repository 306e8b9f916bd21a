-- SPDX-License-Identifier: MPL-2.0
--
-- linux_netstat - /proc/net/netstat or /proc/net/snmp to a message of type stats.netstat with a
-- field PROTOCOL_NAME for each counter, and FilePath. Option: payload_keep.
local lpeg = require "lpeg"
local grammar_decoder = require "grammar_decoder"
local C, Cc, Cg, Ct, P, R = lpeg.C, lpeg.Cc, lpeg.Cg, lpeg.Ct, lpeg.P, lpeg.R

local word = R("az", "AZ", "09")^1
local integer = Ct(Cg(R"09"^1 / tonumber, "value") * Cg(Cc"2", "value_type"))
local function line(item) return Ct(Cg(word, "protocol") * ":" * (" " * item)^1 * "\n") end

-- Pairs of lines: names, then values.
local page = Ct(Ct(line(C(word)) * line(integer))^1)

function process_message()
    local payload = read_message("Payload")
    local found = page:match(payload)
    if not found then return -1, "Failed to match grammar" end
    local fields = {FilePath = read_message("Fields[FilePath]")}
    for _, pair in ipairs(found) do
        local names, values = pair[1], pair[2]
        for i, name in ipairs(names) do
            fields[names.protocol .. "_" .. name] = values[i]
        end
    end
    grammar_decoder.inject("stats.netstat", fields, payload)
    return 0
end
