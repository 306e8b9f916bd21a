-- SPDX-License-Identifier: MPL-2.0
-- Random patterns on random subjects. Run with our lpeg and with the original: say() has to get the
-- same texts. The globals lpeg, say, seed and rounds are the host's.
local l = lpeg
local state = seed
local function random(n)
    state = (state * 16807) % 2147483647
    return state % n
end

local function text_of(v, depth)
    local kind = type(v)
    if kind == "table" and depth < 6 then
        local parts, keys = {}, {}
        for i = 1, #v do parts[#parts + 1] = text_of(v[i], depth + 1) end
        for k in pairs(v) do
            if type(k) ~= "number" then keys[#keys + 1] = tostring(k) end
        end
        table.sort(keys)
        for i = 1, #keys do
            parts[#parts + 1] = keys[i] .. "=" .. text_of(v[keys[i]], depth + 1)
        end
        return "{" .. table.concat(parts, ",") .. "}"
    end
    if kind == "table" or kind == "function" or kind == "userdata" then return kind end
    return tostring(v)
end

local function texts(...)
    local out = {}
    for i = 1, select("#", ...) do out[i] = text_of((select(i, ...)), 0) end
    return table.concat(out, " ")
end

local calls = 0
local function count_call(...) calls = calls + 1 return "f" .. select("#", ...), select(1, ...) end
local function fold(a, b, c) return texts(a) .. "<" .. texts(b) .. texts(c) end
local function at_match(s, i, ...)
    local n = select("#", ...)
    if (i + n) % 5 == 0 then return false end
    if (i + n) % 5 == 1 then return i end
    if (i + n) % 5 == 2 and i <= #s then return i + 1, "moved", n end
    return true, (...)
end

local words = {"a", "b", "ab", "ba", "abc", "", "c"}
local names = {"x", "y"}
local rules = {"S", "T"}
local make, in_predicate

local atoms = {
    function() return l.P(words[random(#words) + 1]) end,
    function() return l.P(words[random(#words) + 1]) end,
    function() return l.S(words[random(#words) + 1]) end,
    function() return l.R("ab", "cc") end,
    function() return l.P(random(3)) end,
    function() return l.P(-random(3)) end,
    function() return l.P(random(2) == 0) end,
    function() return l.Cp() end,
    function() return l.Cc(random(4), "k") end,
    function() return l.Cc() end,
    function() return l.Carg(random(2) + 1) end,
    function() return l.Cb(names[random(2) + 1]) end,
    function(d, g) if g then return l.P(1) * l.V(rules[random(2) + 1]) end return l.P"c" end,
    function(d, g) if g then return l.V(rules[random(2) + 1]) end return l.P"a" end,
}

local ways = {
    function(d, g) return make(d, g) * make(d, g) end,
    function(d, g) return make(d, g) * make(d, g) end,
    function(d, g) return make(d, g) + make(d, g) end,
    function(d, g) return make(d, g) + make(d, g) end,
    function(d, g) return make(d, g) - make(d, g) end,
    function(d, g) return make(d, g) ^ random(3) end,
    function(d, g) return make(d, g) ^ -random(3) end,
    function(d, g) return (l.P(1) - make(d, g)) ^ 0 end,
    function(d, g) -- the original aborts the process when there is a Cmt in it
        local outer = in_predicate
        in_predicate = true
        local pattern = make(d, false)
        in_predicate = outer
        return #pattern
    end,
    function(d, g) return -make(d, g) end,
    function(d, g) return l.B(atoms[random(4) + 1]()) end,
    function(d, g) return l.C(make(d, g)) end,
    function(d, g) return l.C(make(d, g)) end,
    function(d, g) return l.Ct(make(d, g)) end,
    function(d, g) return l.Cs(make(d, g)) end,
    function(d, g) return l.Cg(make(d, g)) end,
    function(d, g) return l.Cg(make(d, g), names[random(2) + 1]) end,
    function(d, g) return l.Cf(make(d, g), fold) end,
    function(d, g)
        if in_predicate then return make(d, g) end
        return l.Cmt(make(d, g), at_match)
    end,
    function(d, g) return make(d, g) / "<%0%1>" end,
    function(d, g) return make(d, g) / random(3) end,
    function(d, g) return make(d, g) / {a = "A", ab = 7, b = false} end,
    function(d, g) return make(d, g) / count_call end,
    function(d, g) -- rules could be called from a predicate
        if in_predicate then return make(d, false) end
        return l.P{rules[random(2) + 1], S = make(d, true), T = make(d, true)}
    end,
}

function make(depth, in_grammar)
    if depth <= 0 or random(6) == 0 then
        return atoms[random(#atoms) + 1](depth, in_grammar)
    end
    return ways[random(#ways) + 1](depth - 1, in_grammar)
end

local function subject()
    local parts = {}
    for i = 1, random(8) do parts[i] = string.sub("aabbcd", random(6) + 1) end
    return string.sub(table.concat(parts), 1, 14)
end

local function plain(message) -- the place is the host's own
    return (string.gsub(tostring(message), "^.-:%d+: ", ""))
end

for round = 1, rounds do
    calls = 0
    local ok, pattern = pcall(make, 1 + random(5), false)
    in_predicate = false
    if not ok then
        -- Which rule of several is named first depends on the order of pairs().
        say("error " .. plain(pattern):gsub("rule '%a'", "rule"):gsub("%(.*", "") .. "\n")
    else
        for i = 1, 3 do
            local s = subject()
            say(s .. " ")
            local result = {pcall(l.match, pattern, s, random(4) - 1, "one", {2})}
            if result[1] then
                say(texts(unpack(result, 2, table.maxn(result))) .. " " .. calls .. "\n")
            else
                say("error " .. plain(result[2]) .. "\n")
            end
        end
    end
end
