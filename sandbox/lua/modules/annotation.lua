-- SPDX-License-Identifier: MPL-2.0
--
-- annotation - notes to points of a circular buffer's graph. They are kept in the global
-- _ANNOTATIONS by the payload's name, so that they survive a restart with preserve_data. Times are
-- nanoseconds.
require "math"
require "table"
local cjson = require "cjson"

local M = {}

_ANNOTATIONS = {}

local DAY = 24 * 3600 * 1e9

local function notes_of(name)
    local notes = _ANNOTATIONS[name]
    if not notes then
        notes = {annotations = {}, prune_duration = DAY}
        _ANNOTATIONS[name] = notes
    end
    return notes
end

-- One annotation: at `ns`, of a column, with a short text for the graph and a long one.
function M.create(ns, column, short_text, text)
    return {x = math.floor(ns / 1e6), col = column, shortText = short_text, text = text}
end

function M.add(name, ns, column, short_text, text)
    table.insert(notes_of(name).annotations, M.create(ns, column, short_text, text))
end

-- Adds an array of annotations.
function M.concat(name, annotations)
    local all = notes_of(name).annotations
    for _, note in ipairs(annotations) do all[#all + 1] = note end
end

function M.remove(name)
    _ANNOTATIONS[name] = nil
end

-- How long annotations of that name are kept; a day otherwise.
function M.set_prune(name, ns)
    notes_of(name).prune_duration = ns
end

-- Takes out what is too old at `ns`. All that is left, as a line of JSON; nil when the name has
-- never had any.
function M.prune(name, ns)
    local notes = _ANNOTATIONS[name]
    if not notes then return end
    local all, kept = notes.annotations, 0
    for i = 1, #all do
        local note = all[i]
        all[i] = nil
        if note.x * 1e6 + notes.prune_duration > ns then
            kept = kept + 1
            all[kept] = note
        end
    end
    return cjson.encode({annotations = all}) .. "\n"
end

return M
