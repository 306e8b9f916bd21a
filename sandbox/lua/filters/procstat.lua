-- SPDX-License-Identifier: MPL-2.0
--
-- procstat - what changed between two messages of the decoder linux_procstat: a message of type
-- procstat with the fields cpu_percent, cpu0_percent...
-- Options: whitelist: a Lua pattern of names, all others are left out; extras (false): ticks of
-- each kind, shares of some, and the changes of everything else; percent_integer (true).
require "math"
local whitelist = read_config("whitelist")
local extras = read_config("extras")
local is_integer = read_config("percent_integer") ~= false

local ticks = {"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest",
               "guestnice"}
local IDLE, SHARES = 4, 5 -- the first SHARES kinds have a share of their own

local before

-- All fields of the message: a number, or an array of them.
local function read_fields()
    local fields = {}
    while true do
        local kind, name, value, _, count = read_next_field()
        if not kind then break end
        if count > 1 then
            local first = value
            value = {first}
            for i = 1, count - 1 do value[i + 1] = read_message("Fields[" .. name .. "]", 0, i) end
        end
        fields[name] = value
    end
    return fields
end

-- nil when the two are not alike.
local function change(new, old)
    if type(new) ~= type(old) then return end
    if type(new) == "number" then return new - old end
    if type(new) ~= "table" or #new ~= #old then return end
    local delta = {}
    for i = 1, #new do delta[i] = new[i] - old[i] end
    return delta
end

local function percent(share)
    return is_integer and math.ceil(share * 100 - 0.5) or share
end

local function add_cpu(fields, name, delta)
    local sum = 0
    for i, value in ipairs(delta) do
        sum = sum + value
        if extras and ticks[i] then fields[name .. "_delta_" .. ticks[i]] = value end
    end
    if extras then fields[name .. "_delta_ticks"] = sum end
    if sum <= 0 or not delta[IDLE] then return end
    if extras then
        for i = 1, math.min(SHARES, #delta) do
            fields[name .. "_percent_" .. ticks[i]] = percent(delta[i] / sum)
        end
    end
    fields[name .. "_percent"] = percent(1 - delta[IDLE] / sum)
end

local function add(fields, name, delta)
    if name:find("^cpu") and type(delta) == "table" then
        add_cpu(fields, name, delta)
    elseif extras and name == "softirq" and type(delta) == "table" then
        for i, value in ipairs(delta) do fields[name .. "_delta_" .. i] = value end
    elseif extras and type(delta) == "number" then
        fields[name .. "_delta"] = delta
    end
end

function process_message()
    local now, fields = read_fields(), {}
    if before then
        for name, value in pairs(now) do
            local delta = before[name] ~= nil and change(value, before[name])
            if delta and (not whitelist or name:match(whitelist)) then add(fields, name, delta) end
        end
        inject_message{Type = "procstat", Payload = read_message("Payload"), Fields = fields}
    end
    before = now
    return 0
end
