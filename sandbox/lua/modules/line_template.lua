-- SPDX-License-Identifier: MPL-2.0
--
-- line_template - LPeg grammars of log lines from texts that look like the lines:
--
--   "Failed {method} for [?invalid user ?]{user} from {ip:address} port {count:port}"
--
--   {name}         text up to what comes next in the template, perhaps none; {name+}: at least one
--                  character; {}: not captured
--   {kind:name}    what the pattern `kind` matches; {kind}: not captured, or with its own captures
--   {name=a|b}     one of these words; {=a|b}: not captured
--   [?...?]        may be missing
--   ...            at the end: anything may follow; otherwise the whole line has to match
--
-- compile(templates, kinds): a grammar that gives a table of what the first template that matches
-- captures. A template is a text, or {text, name = value...} with further captures that are always
-- the same. `kinds`: patterns by name.
require "string"
local lpeg = require "lpeg"
local Cc, Cg, Ct, P = lpeg.Cc, lpeg.Cg, lpeg.Ct, lpeg.P

local M = {}

-- ---- a text to a list of nodes: {literal =}, {optional = list}, {pattern =} or {name =, least =}

local function one_of(words)
    local pattern = P(false)
    for word in (words .. "|"):gmatch("(.-)|") do pattern = pattern + P(word) end
    return pattern
end

local function captured(pattern, name)
    return name == "" and pattern or Cg(pattern, name)
end

-- What stands between braces.
local function slot(text, kinds)
    local name, words = text:match("^([^=]*)=(.*)$")
    if words then return {pattern = captured(one_of(words), name)} end
    local kind
    kind, name = text:match("^([^:]*):(.*)$")
    if kind then
        return {pattern = Cg(kinds[kind] or error("unknown kind: " .. kind), name)}
    end
    if kinds[text] then return {pattern = kinds[text]} end
    local stem, plus = text:match("^([^+]*)(%+?)$")
    return {name = stem, least = plus == "+" and 1 or 0}
end

local marks = {["{"] = true, ["[?"] = true, ["?]"] = true}

-- Place and text of the next mark.
local function next_mark(text, at)
    for place = at, #text do
        local two = text:sub(place, place + 1)
        local mark = marks[two] and two or text:sub(place, place)
        if marks[mark] then return place, mark end
    end
    return #text + 1
end

-- Nodes from `at` up to the end or a "?]", and the place behind them.
local function parse(text, at, kinds)
    local nodes = {}
    while at <= #text do
        local place, mark = next_mark(text, at)
        if place > at then nodes[#nodes + 1] = {literal = text:sub(at, place - 1)} end
        if mark == "?]" then return nodes, place + 2 end
        if mark == "[?" then
            local inner
            inner, at = parse(text, place + 2, kinds)
            nodes[#nodes + 1] = {optional = inner}
        elseif mark then
            local inner, stop = text:match("^{([^}]*)}()", place)
            nodes[#nodes + 1] = slot(inner or error("a brace without its end"), kinds)
            at = stop
        else
            at = place
        end
    end
    return nodes, at
end

-- ---- nodes to a pattern

-- What ends a text that stands before the nodes from `i` on. `behind`: what comes after all nodes,
-- {stop = for a text, tail = for a literal}.
local function stop_before(nodes, i, behind)
    local node = nodes[i]
    if not node then return behind.stop end
    if node.literal then
        return nodes[i + 1] and P(node.literal) or node.literal * behind.tail
    end
    if node.optional then
        local after = stop_before(nodes, i + 1, behind)
        return stop_before(node.optional, 1, {stop = after, tail = P(true)}) + after
    end
    return node.pattern or P(true)
end

local function build(nodes, behind)
    local grammar = P(true)
    for i, node in ipairs(nodes) do
        if node.literal then
            grammar = grammar * node.literal
        elseif node.optional then
            local after = {stop = stop_before(nodes, i + 1, behind), tail = P(true)}
            grammar = grammar * build(node.optional, after)^-1
        elseif node.pattern then
            grammar = grammar * node.pattern
        else
            local text = (1 - stop_before(nodes, i + 1, behind))^node.least
            grammar = grammar * captured(text, node.name)
        end
    end
    return grammar
end

local function compile(template, kinds)
    local text, constants = template, {}
    if type(template) == "table" then text, constants = template[1], template end
    local open = text:match("^(.*)%.%.%.$")
    local tail = open and P(true) or P(-1)
    local grammar = build((parse(open or text, 1, kinds)), {stop = P(-1), tail = tail}) * tail
    for name, value in pairs(constants) do
        if name ~= 1 then grammar = grammar * Cg(Cc(value), name) end
    end
    return grammar
end

function M.compile(templates, kinds)
    kinds = kinds or {}
    local grammar = P(false)
    for _, template in ipairs(templates) do grammar = grammar + compile(template, kinds) end
    return Ct(grammar)
end

return M
