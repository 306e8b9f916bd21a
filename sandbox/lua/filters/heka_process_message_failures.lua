-- SPDX-License-Identifier: MPL-2.0
--
-- heka_process_message_failures - alerts when the failures of a plugin, as the daemon's reports
-- (heka.all-report) count them, become more. At most one alert an hour for each plugin.
-- Option: anomaly_config, where the payload's name is a plugin's, or "DEFAULT" for all others.
require "circular_buffer"
local cjson = require "cjson"
local alert = require "alert"
local anomaly = require "anomaly"

local tests = anomaly.parse_config(read_config("anomaly_config")
                                   or 'mww_nonparametric("DEFAULT", 1, 5, 10, 0.7)')
local sections = {"inputs", "decoders", "filters", "encoders", "outputs"}
local ROWS, SECONDS, HOUR = 60, 60, 3600 * 1e9

local plugins = {} -- by name: { buffer, tests, last_report, last_alert }
local last_report = 0

local function copy_of(list)
    local copy = {}
    for i, test in ipairs(list or {}) do copy[i] = test end
    return copy
end

local function plugin_of(name)
    local plugin = plugins[name]
    if not plugin then
        plugin = {buffer = circular_buffer.new(ROWS, 1, SECONDS), last_alert = 0,
                  tests = {[name] = copy_of(tests[name] or tests.DEFAULT)}}
        plugin.buffer:set_header(1, "Failures", "count", "max")
        plugins[name] = plugin
    end
    return plugin
end

-- Takes a plugin's entry of a report; or a text about what is wrong with it.
local function take(entry, section)
    if type(entry) ~= "table" then return "invalid entry in section " .. section end
    local failures = entry.ProcessMessageFailures
    if type(failures) ~= "table" then return end
    if not entry.Name then return "missing plugin Name" end
    local plugin = plugin_of(entry.Name)
    plugin.last_report = last_report
    -- No failure is no number: from none to some is a change, too.
    if type(failures.value) == "number" and failures.value > 0 then
        plugin.buffer:set(last_report, 1, failures.value)
    end
end

function process_message()
    local is_json, report = pcall(cjson.decode, read_message("Payload"))
    if not is_json then return -1 end
    last_report = read_message("Timestamp")
    for _, section in ipairs(sections) do
        for _, entry in ipairs(report[section] or {}) do
            local wrong = take(entry, section)
            if wrong then return -1, wrong end
        end
    end
    return 0
end

function timer_event(ns)
    for name, plugin in pairs(plugins) do
        if ns - plugin.last_alert > HOUR then
            local text = anomaly.detect(ns, name, plugin.buffer, plugin.tests)
            if text then
                alert.queue(0, text)
                plugin.last_alert = ns
            end
        end
        if plugin.last_report ~= last_report then plugins[name] = nil end -- it is gone
    end
    alert.send_queue(0)
end
