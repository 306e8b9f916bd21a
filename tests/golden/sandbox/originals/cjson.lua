-- SPDX-License-Identifier: MPL-2.0
-- Random texts decoded, and random values encoded. Run with our cjson and with the original: say()
-- has to get the same texts. The globals cjson, say, seed and rounds are the host's.
local json = cjson
local state = seed
local function random(n)
    state = (state * 16807) % 2147483647
    return state % n
end

local function text_of(v)
    if type(v) == "table" then
        local parts, keys = {}, {}
        for k in pairs(v) do keys[#keys + 1] = type(k) .. tostring(k) end
        table.sort(keys)
        for i = 1, #keys do
            local k = keys[i]
            local value = v[k:match("^number(.*)") and tonumber(k:match("^number(.*)"))]
            if k:match("^string") then value = v[k:sub(7)] end
            -- Here members that are null are left out.
            if type(value) ~= "userdata" then
                parts[#parts + 1] = k .. "=" .. text_of(value)
            end
        end
        return "{" .. table.concat(parts, ",") .. "}"
    end
    if v == nil or type(v) == "userdata" then return "nil" end
    if type(v) == "number" then return string.format("%.17g", v) end
    return type(v) .. ":" .. tostring(v)
end

local pieces = {"{", "}", "[", "]", ",", ":", '"a"', '"b\\n"', '"\\u00e9\\ud83d\\ude00"', '"\\ud800"',
    '"\\u12"', '"\\x"', '"open', "1", "-1.5e3", "0x1f", "007", "+1", "nan", "-inf", "true", "false",
    "null", "tru", " ", "\n", "1e400", "1.2.3", "-", "/", "\0", '"/"', "1e", ".5", "Infinity"}
local strings = {'"a"', '"\\u0041\\/\\b\\f\\n\\r\\t"', '"\\ud83d\\ude00"', '"\127x"', '""'}
local scalars = {"1", "-1.5e3", "true", "false", "null", "0", "123456789012345678", "1e-7"}

local make_text
function make_text(depth)
    local kind = random(depth > 0 and 4 or 2)
    if random(40) == 0 then return pieces[random(#pieces) + 1] end
    if kind == 0 then return strings[random(#strings) + 1] end
    if kind == 1 then return scalars[random(#scalars) + 1] end
    local parts = {}
    for i = 1, random(4) do
        parts[i] = kind == 2 and make_text(depth - 1) or
            strings[random(#strings) + 1] .. (random(30) == 0 and "" or ":") .. make_text(depth - 1)
    end
    local inner = table.concat(parts, random(30) == 0 and "" or " ,\t")
    if random(30) == 0 then inner = inner .. "," end
    return kind == 2 and "[" .. inner .. "]" or "{" .. inner .. "}"
end

local function noise()
    local parts = {}
    for i = 1, random(6) do parts[i] = pieces[random(#pieces) + 1] end
    return table.concat(parts)
end

local values = {1, 0.5, -3, 1e15, 12345678901234, 0.1, 1e-9, -0.25, 1e300, "a", 'q"\\/\n\1\127', "",
    true, false, 2147483648, 1234567890, 123456789}
local keys = {1, 0.5, -3, 0.1, 1e-9, "a", "", true, 12, 30, 0} -- none beyond an int of C
local bad = {0 / 0, 1 / 0, -1 / 0, print or error, json.null}

local make_value
function make_value(depth)
    if random(25) == 0 then return bad[random(#bad) + 1] end
    if depth <= 0 or random(3) == 0 then return values[random(#values) + 1] end
    local t, kind = {}, random(4)
    for i = 1, random(5) do
        if kind == 0 then t[i] = make_value(depth - 1)
        elseif kind == 1 then t[random(14) + 1] = make_value(depth - 1)
        elseif kind == 2 then return {[keys[random(#keys) + 1]] = make_value(depth - 1)}
        else return {["k" .. random(3)] = make_value(depth - 1)} end
    end
    return t
end

local function plain(message)
    return (string.gsub(tostring(message), "^.-:%d+: ", ""))
end

for round = 1, rounds do
    local text = random(3) == 0 and noise() or make_text(3)
    local ok, value = pcall(json.decode, text)
    say(text .. " > " .. (ok and text_of(value) or plain(value)) .. "\n")
    ok, text = pcall(json.encode, make_value(3))
    say((ok and text or plain(text)) .. "\n")
end
