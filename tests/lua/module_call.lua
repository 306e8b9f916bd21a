-- SPDX-License-Identifier: MPL-2.0
--
-- module_call - calls a function of a module, or matches a text with one of its grammars, as the
-- payload says: {"module": NAME, "member": NAME, "match": TEXT} or {"module": NAME, "member":
-- NAME, "call": [ARGUMENT...]}, and with both what the call returns is matched; "lend": with
-- pairs() and ipairs() for a module that forgot them. Injects what comes of it as a text with
-- sorted keys.
require "math"
require "string"
require "table"
local cjson = require "cjson"

local function less(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
end

local function text_of(value)
    if type(value) == "string" then
        local is_json, found = pcall(cjson.decode, value)
        if is_json and type(found) == "table" then return "JSON " .. text_of(found) end
        return string.format("%q", value)
    end
    if type(value) == "number" then return string.format("%.17g", value) end
    if type(value) ~= "table" then return type(value) == "boolean" and tostring(value)
        or type(value) end
    local keys, parts = {}, {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, less)
    for i, key in ipairs(keys) do parts[i] = tostring(key) .. " = " .. text_of(value[key]) end
    return "{" .. table.concat(parts, ", ") .. "}"
end

local function report(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = text_of((select(i, ...))) end
    inject_payload("txt", "", table.concat(parts, "; "))
end

local function run(what)
    local module = require(what.module)
    local found = module[what.member]
    if what.lend then module.pairs, module.ipairs = pairs, ipairs end
    if what.call then
        if not what.match then return report(found(unpack(what.call))) end
        found = found(unpack(what.call))
    end
    if found == nil then return report("nothing to match with") end
    report(found:match(what.match))
end

function process_message()
    local ok, text = pcall(run, cjson.decode(read_message("Payload")))
    if not ok then report("error", (tostring(text):gsub("^%[.-%]:%d+: ", ""))) end
    return 0
end
