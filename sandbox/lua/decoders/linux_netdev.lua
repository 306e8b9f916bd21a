-- SPDX-License-Identifier: MPL-2.0
--
-- linux_netdev - /proc/net/dev to messages of type stats.netdev, one for each interface: the fields
-- receive_NAME and transmit_NAME by the columns' names, netdevice, FilePath. Option: payload_keep.
local lpeg = require "lpeg"
local grammar_decoder = require "grammar_decoder"
local C, Cc, Cg, Ct, P, R = lpeg.C, lpeg.Cc, lpeg.Cg, lpeg.Ct, lpeg.P, lpeg.R

local blanks = P" "^0
local word = R("az", "09")^1
local words = Ct((C(word) * blanks)^1)
local integer = Ct(Cg(R"09"^1 / tonumber, "value") * Cg(Cc"2", "value_type"))

local header = "Inter-|" * blanks * "Receive" * blanks * "|" * blanks * "Transmit\n"
    * blanks * "face" * blanks * "|" * blanks * Cg(words, "receive") * "|" * blanks
    * Cg(words, "transmit") * "\n"
local interface = Ct(blanks * Cg(word, "name") * ":" * blanks * (integer * blanks)^1 * "\n")
local page = Ct(header * interface^1)

local function column_names(found)
    local names = {}
    for _, side in ipairs{"receive", "transmit"} do
        for _, name in ipairs(found[side]) do names[#names + 1] = side .. "_" .. name end
    end
    return names
end

function process_message()
    local payload = read_message("Payload")
    local found = page:match(payload)
    if not found then return -1, "Failed to match grammar" end
    local names, path = column_names(found), read_message("Fields[FilePath]")
    for _, counters in ipairs(found) do
        local fields = {FilePath = path, netdevice = counters.name}
        for i, counter in ipairs(counters) do
            if names[i] then fields[names[i]] = counter end
        end
        grammar_decoder.inject("stats.netdev", fields, payload)
    end
    return 0
end
