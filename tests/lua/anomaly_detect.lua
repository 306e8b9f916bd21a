-- SPDX-License-Identifier: MPL-2.0
--
-- anomaly_detect - anomaly.detect() on a circular buffer: the payload is {"config": TEXT, "rows",
-- "seconds", "values": [a number, or a text for none], "first": seconds}, one value for each row.
-- Injects the text and the annotations.
require "circular_buffer"
local cjson = require "cjson"
local anomaly = require "anomaly"

function process_message()
    local test = cjson.decode(read_message("Payload"))
    local buffer = circular_buffer.new(test.rows, 1, test.seconds)
    local ns = test.first * 1e9
    for _, value in ipairs(test.values) do
        if type(value) == "number" then buffer:set(ns, 1, value) end
        ns = ns + test.seconds * 1e9
    end
    local tests = anomaly.parse_config(test.config)
    local text, annotations = anomaly.detect(ns, "load", buffer, tests)
    inject_payload("json", "", cjson.encode{text = text or "none", annotations = annotations})
    return 0
end
