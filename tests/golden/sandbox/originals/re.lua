-- SPDX-License-Identifier: MPL-2.0
-- Texts of patterns, made at random of pieces that are right and some that are not, on subjects.
-- Run with our re and with the original: say() has to get the same texts.
local state = seed
local function random(n)
    state = (state * 16807) % 2147483647
    return state % n
end

local function text_of(v)
    if type(v) ~= "table" then return tostring(v) end
    local keys, parts = {}, {}
    for k in pairs(v) do keys[#keys + 1] = tostring(k) end
    table.sort(keys)
    for i = 1, #keys do
        parts[i] = keys[i] .. "=" .. text_of(v[tonumber(keys[i]) or keys[i]])
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function texts(...)
    local out = {}
    for i = 1, select("#", ...) do out[i] = text_of((select(i, ...))) end
    return table.concat(out, " ")
end

local atoms = {"'a'", '"ab"', "[a-c]", "[^b]", "[%d_]", ".", "%a", "%nl", "%s", "%W", "''", "x", "{}", "=n", "%mine", "S",
    "<S>", "''", "'b'", "'c'", "%nothing", "["}
local definitions = {mine = "ab", up = string.upper, t = {a = "A", b = 1}, at = function(s, i) return i end}

local make
function make(depth)
    if depth == 0 or random(5) == 0 then return atoms[random(#atoms - (random(8) > 0 and 2 or 0)) + 1] end
    local kind = random(20)
    local a = make(depth - 1)
    if kind < 4 then return a .. " " .. make(depth - 1) end
    if kind < 7 then return "(" .. a .. " / " .. make(depth - 1) .. ")" end
    if kind == 7 then return "(" .. a .. ")*" end
    if kind == 8 then return "(" .. a .. ")+" end
    if kind == 9 then return "(" .. a .. ")? " end
    if kind == 10 then return "(" .. a .. ")^" .. ({"2", "-2", "+1", "0"})[random(4) + 1] end
    if kind == 11 then return "{ " .. a .. " }" end
    if kind == 12 then return "{: " .. a .. " :}" end
    if kind == 13 then return "{:n: " .. a .. " :}" end
    if kind == 14 then return "{~ " .. a .. " ~}" end
    if kind == 15 then return "{| " .. a .. " |}" end
    if kind == 16 then return "!(" .. a .. ")" end
    if kind == 17 then return "(" .. a .. ") -> " .. ({"'<%0>'", "up", "t", "1", "0", '"%1"'})[random(6) + 1] end
    if kind == 18 then return "(" .. a .. ") => at" end
    return "(S <- " .. a .. " / 'c' S -- a comment\n)"
end

local function plain(message)
    return (string.gsub(tostring(message), "^.-:%d+: ", ""))
end

for round = 1, rounds do
    local text = make(1 + random(4))
    local ok, pattern = pcall(re.compile, text, definitions)
    if not ok then
        say(text .. " error " .. plain(pattern):gsub("rule '.'.*", "rule"):gsub("%(.*", "") .. "\n")
    else
        for i = 1, 3 do
            local s = string.rep(("abcab1 b\na"):sub(random(9) + 1), 2)
            local r = {pcall(pattern.match, pattern, s)}
            say(text .. " " .. (r[1] and texts(unpack(r, 2, table.maxn(r))) or "error " .. plain(r[2])) .. "\n")
        end
    end
end
local known = {"[a-b]+", "{[a-b]} 'c'", "{:x: 'a' :} 'b'"}
for i, text in ipairs(known) do
    say(texts(re.match("abcabc", text)) .. " " .. texts(re.find("xxabcabc", text)) .. " " .. texts(re.find("x", text)) ..
        " " .. re.gsub("xabcx", text, "<%0>") .. " " .. texts(re.find("abab", text, 3)) .. "\n")
end
