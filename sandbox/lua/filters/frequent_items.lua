-- SPDX-License-Identifier: MPL-2.0
--
-- frequent_items - the most frequent values of a header or field, in bounded memory: when a new
-- value finds no room, all weights go down by one (Misra and Gries).
-- Options: message_variable; max_items (1000); min_output_weight (100): what is below is not shown;
-- reset_days (1): starts again after so many days, 0: never.
require "math"
require "string"
local variable = read_config("message_variable")
    or error("message_variable configuration must be specified")
local items_max = read_config("max_items") or 1000
local weight_min = read_config("min_output_weight") or 100
local reset_days = read_config("reset_days") or 1
local DAY = 24 * 3600 * 1e9

items = {} -- weights by value
items_size = 0
last_reset = 0 -- day

-- False for a message of an earlier day.
local function is_current(ns)
    local day = math.floor(ns / DAY)
    if day < last_reset then return false end
    if day - last_reset >= reset_days then
        last_reset, items, items_size = day, {}, 0
    end
    return true
end

local function weaken_all()
    for item, weight in pairs(items) do
        items[item] = weight > 1 and weight - 1 or nil
        if weight == 1 then items_size = items_size - 1 end
    end
end

function process_message()
    local item = read_message(variable)
    if not item then return -1 end
    if reset_days > 0 and not is_current(read_message("Timestamp")) then return 0 end
    if items[item] then
        items[item] = items[item] + 1
    elseif items_size < items_max then
        items[item], items_size = 1, items_size + 1
    else
        weaken_all()
    end
    return 0
end

function timer_event()
    add_to_payload(variable, "\tWeight\n")
    for item, weight in pairs(items) do
        if weight > weight_min then
            add_to_payload(string.format("%s\t%d\n", tostring(item), weight))
        end
    end
    inject_payload("tsv", "Weighting by " .. variable)
end
