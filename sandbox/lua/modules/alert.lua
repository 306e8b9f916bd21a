-- SPDX-License-Identifier: MPL-2.0
--
-- alert - alerts of a filter, not more often than once in a while. Each is a payload of type
-- "alert". The time of the last one is the global _LAST_ALERT, so that it survives a restart with
-- preserve_data. Times are nanoseconds; time 0 is never throttled.
require "math"
require "table"
local M = {}

_LAST_ALERT = 0

local least_distance = 3600 * 1e9
local waiting = {}

function M.set_throttle(ns)
    least_distance = ns
end

-- True when an alert at this time would not be sent.
function M.throttled(ns)
    return ns ~= 0 and (ns < _LAST_ALERT or ns - _LAST_ALERT <= least_distance)
end

local function may_go(ns, text)
    return text ~= nil and text ~= "" and not M.throttled(ns)
end

-- Sends at once; false when it is throttled, or there is no text.
function M.send(ns, text)
    if not may_go(ns, text) then return false end
    inject_payload("alert", "", text)
    _LAST_ALERT = math.max(_LAST_ALERT, ns)
    return true
end

-- Keeps it for send_queue(); false as in send().
function M.queue(ns, text)
    if not may_go(ns, text) then return false end
    waiting[#waiting + 1] = text
    return true
end

-- Sends what is queued as one alert, a line for each; what is throttled now is given up.
function M.send_queue(ns)
    if #waiting == 0 then return false end
    local text = table.concat(waiting, "\n")
    waiting = {}
    return M.send(ns, text)
end

return M
