-- SPDX-License-Identifier: MPL-2.0
--
-- re - patterns of lpeg as text: compile(text, definitions), match, find, gsub, updatelocale.
-- Source: the manual of LPeg's re.
local lpeg = require "lpeg"
require "string"

local P, S, R, V, C, Cc, Cp, Ct, Cg, Cf, Cs, Cmt, Cb, Carg =
    lpeg.P, lpeg.S, lpeg.R, lpeg.V, lpeg.C, lpeg.Cc, lpeg.Cp, lpeg.Ct, lpeg.Cg, lpeg.Cf, lpeg.Cs,
    lpeg.Cmt, lpeg.Cb, lpeg.Carg

local M = {}
local any = P(1)

-- %name: classes and the end of a line
local predefined
local caches

function M.updatelocale()
    local classes = lpeg.locale()
    predefined = {nl = P"\n"}
    for letter, name in pairs{a = "alpha", c = "cntrl", d = "digit", g = "graph", l = "lower",
                              p = "punct", s = "space", u = "upper", w = "alnum",
                              x = "xdigit"} do
        predefined[letter] = classes[name]
        predefined[letter:upper()] = any - classes[name]
    end
    caches = {match = {}, find = {}, gsub = {}}
    for _, cache in pairs(caches) do setmetatable(cache, {__mode = "v"}) end
end
M.updatelocale()

-- ---- what the parts of a text become ----

local function definition(name, definitions)
    local value = definitions[name]
    if not value then error("undefined name: " .. name) end
    return value
end

local function named(name, definitions)
    local value = definitions[name] or predefined[name]
    if not value then error("name '" .. name .. "' undefined") end
    return P(value)
end

local function choice(a, b) return a + b end
local function sequence(a, b) return a * b end

local function complement(is_not, set)
    if is_not == "^" then return any - set end
    return set
end

local function repeated(pattern, count)
    local times = tonumber(count:match("%d+"))
    local sign = count:match("^[+-]")
    if sign == "+" then return pattern ^ times end
    if sign == "-" then return pattern ^ -times end
    local exact = P(true)
    for _ = 1, times do exact = exact * pattern end
    return exact
end

-- The whole match has to be what the group matched.
local function is_same(subject, at, wanted)
    if type(wanted) ~= "string" then return nil end
    local stop = at + #wanted
    if subject:sub(at, stop - 1) == wanted then return stop end
    return nil
end

local function add_rule(rules, name, pattern)
    if rules[name] then error("'" .. name .. "' already defined as a rule") end
    rules[name] = pattern
    return rules
end

-- Names of rules are for what is within some.
local scope = Carg(2)
local function enter(scope) scope.depth = scope.depth + 1 end
local function leave(scope) scope.depth = scope.depth - 1 end

local function rule(name, scope)
    if scope.depth == 0 then error("rule '" .. name .. "' used outside a grammar") end
    return V(name)
end

local function first_rule(name, pattern)
    return add_rule({name}, name, pattern)
end

local function fail_at(subject, at)
    local near = #subject < at + 20 and subject:sub(at) or subject:sub(at, at + 20) .. "..."
    error(("pattern error near '%s'"):format(near), 2)
end

-- ---- the grammar of texts ----

local blank = (S" \t\n\r\f\v" + "--" * (any - "\n") ^ 0) ^ 0
local word = C(R("AZ", "az", "__") * R("AZ", "az", "09", "__") ^ 0)
local arrow = blank * "<-"
local number = C(R"09" ^ 1) * blank / tonumber
local sequence_end = #(P"/" + ")" + ":}" + "~}" + "|}" + "}" + -any + word * arrow) + P(fail_at)
local quoted = "'" * C((any - "'") ^ 0) * "'" + '"' * C((any - '"') ^ 0) * '"'
local defined = "%" * word * Carg(1)

local range = Cs(any * (P"-" / "") * (any - "]")) / R
local item = defined / named + range + C(any)
local class = "[" * C(P"^" ^ -1) * Cf(item / P * ((item - "]") / P) ^ 0, choice) / complement * "]"

local function folded(open, step, combine)
    return Cf(open * step, combine)
end

local function by_definition(make)
    return Cc(function(p, name, definitions) return make(p, definition(name, definitions)) end)
        * word * Carg(1)
end

local grammar = P{"text",
    text = blank * V"expression" * (-any + P(fail_at)),

    expression = blank * (V"rules" + folded(V"list", ("/" * blank * V"list") ^ 0, choice)),
    list = folded(Cc(P(true)), V"prefixed" ^ 0, sequence) * sequence_end,

    prefixed = "&" * blank * V"prefixed" / function(p) return #p end
        + "!" * blank * V"prefixed" / function(p) return -p end
        + V"suffixed",
    suffixed = folded(V"primary" * blank, V"suffix" ^ 0,
                      function(p, make, argument, more) return make(p, argument, more) end),
    suffix = Cg(
        ("+" * Cc(function(p) return p ^ 1 end)
        + "*" * Cc(function(p) return p ^ 0 end)
        + "?" * Cc(function(p) return p ^ -1 end)
        + "^" * Cc(repeated) * C(S"+-" ^ -1 * R"09" ^ 1)
        + "->" * blank * (P"{}" * Cc(Ct)
            + Cc(function(p, with) return p / with end) * (quoted + number)
            + by_definition(function(p, with) return p / with end))
        + "=>" * blank * by_definition(Cmt)
        + "~>" * blank * by_definition(Cf)) * blank),

    primary = "(" * V"expression" * ")"
        + quoted / P
        + class
        + defined / named
        + "{:" * (word * ":" + Cc(nil)) * V"expression" * ":}"
            / function(name, p) return Cg(p, name) end
        + "=" * word / function(name) return Cmt(Cb(name), is_same) end
        + P"{}" / Cp
        + "{~" * V"expression" * "~}" / Cs
        + "{|" * V"expression" * "|}" / Ct
        + "{" * V"expression" * "}" / C
        + P"." * Cc(any)
        + (word * -arrow + "<" * word * ">") * scope / rule,

    rule = Cg(word * arrow * V"expression"),
    rules = Cg(scope / enter * (Cf(V"rule" / first_rule * V"rule" ^ 0, add_rule) / P)
        * (scope / leave)),
}

-- ---- the module ----

function M.compile(text, definitions)
    if lpeg.type(text) == "pattern" then return text end
    local pattern = grammar:match(text, 1, definitions or {}, {depth = 0})
    if not pattern then error("incorrect pattern", 3) end
    return pattern
end

local function cached(kind, text, make)
    local pattern = caches[kind][text]
    if not pattern then
        pattern = make(M.compile(text))
        caches[kind][text] = pattern
    end
    return pattern
end

function M.match(subject, text, at)
    return cached("match", text, P):match(subject, at or 1)
end

-- Where the first match begins and ends; nil: there is none.
function M.find(subject, text, at)
    local pattern = cached("find", text, function(p)
        return P{Cp() * (p / 0) * Cp() + 1 * V(1)}
    end)
    local first, behind = pattern:match(subject, at or 1)
    if not first then return nil end
    return first, behind - 1
end

function M.gsub(subject, text, replacement)
    local by_text = caches.gsub[text] or {}
    caches.gsub[text] = by_text
    local pattern = by_text[replacement]
    if not pattern then
        pattern = Cs((M.compile(text) / replacement + 1) ^ 0)
        by_text[replacement] = pattern
    end
    return pattern:match(subject)
end

return M
