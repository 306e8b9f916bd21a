-- SPDX-License-Identifier: MPL-2.0
--
-- graph - circular buffers as payloads of type "cbuf", with the alerts and annotations of the tests
-- that the plugin's option anomaly_config asks for.
require "circular_buffer"
local alert = require "alert"
local annotation = require "annotation"
local anomaly = require "anomaly"

local M = {}

local tests = anomaly.parse_config(read_config("anomaly_config"))

-- A new buffer whose annotations are kept as long as its rows. `columns`: {name, unit, aggregation}
-- each.
function M.new(title, rows, seconds, columns)
    annotation.set_prune(title, rows * seconds * 1e9)
    local buffer = circular_buffer.new(rows, #columns, seconds)
    for i, column in ipairs(columns) do buffer:set_header(i, unpack(column)) end
    return buffer
end

-- Tests and injects one buffer; `what`: the buffer, or its text. alert.send_queue() has to follow.
function M.inject(ns, title, buffer, what)
    what = what or buffer
    if not tests then
        inject_payload("cbuf", title, what)
        return
    end
    if not alert.throttled(ns) then
        local text, annotations = anomaly.detect(ns, title, buffer, tests)
        if text then
            alert.queue(ns, text)
            annotation.concat(title, annotations)
        end
    end
    inject_payload("cbuf", title, annotation.prune(title, ns) or "", what)
end

-- The same for the only buffer of a plugin.
function M.report(ns, title, buffer)
    M.inject(ns, title, buffer)
    alert.send_queue(ns)
end

-- Sets columns 1 to #names of the row at `ns` to the message's fields of these names. False when
-- one is no number: those before it are set.
function M.set_fields(buffer, ns, names)
    for i, name in ipairs(names) do
        local value = read_message("Fields[" .. name .. "]")
        if type(value) ~= "number" then return false end
        buffer:set(ns, i, value)
    end
    return true
end

return M
