-- SPDX-License-Identifier: MPL-2.0
--
-- cbuf_librato - what a circular buffer has learned since it was sent last, as JSON of gauges for
-- Librato. The newest row, which may not be over, is left out.
-- Option: message_key ("%{Logger}:%{payload_name}"), with "%{...}" of msg_interpolate, tells one
-- buffer from another.
local cjson = require "cjson"
local interpolate = require "msg_interpolate"

local key_template = read_config("message_key") or "%{Logger}:%{payload_name}"
local ROWS_MIN = 3

last_times = {} -- of the buffers, by key; global: it is preserved

local function is_header(found)
    return found.time and found.rows and found.seconds_per_row and found.columns
        and found.column_info and found.columns == #found.column_info
end

-- The header and the rows' lines; nil when it is no such buffer. A line of annotations may stand
-- before the header.
local function parse(text)
    local header, rows = nil, {}
    for line in text:gmatch("[^\n]+") do
        if header then
            rows[#rows + 1] = line
        else
            local is_json, found = pcall(cjson.decode, line)
            if not is_json then return end
            if not found.annotations then
                if not is_header(found) then return end
                header = found
            end
        end
    end
    if header and #rows >= ROWS_MIN and #rows == header.rows then return header, rows end
end

-- The first row that is new; or nil and what process_message() is to return.
local function first_new_row(header, last_time)
    if not last_time then return 1 end
    local elapsed = header.time - last_time
    if elapsed == 0 then return nil, -2 end
    if elapsed < 0 or elapsed % header.seconds_per_row ~= 0 then return nil, -1 end
    local rows = elapsed / header.seconds_per_row
    return rows >= header.rows - 1 and 1 or header.rows - rows
end

-- Adds the gauges of one row. False when it has something that is no number.
local function add_row(gauges, header, line, time, source)
    local column = 0
    for text in line:gmatch("[^\t]+") do
        column = column + 1
        local info, value = header.column_info[column], tonumber(text)
        if info and text ~= "nan" then
            if not value then return false end
            gauges[#gauges + 1] = {name = info.name, source = source, value = value,
                                   measure_time = time}
        end
    end
    return column >= #header.column_info
end

function process_message()
    local header, rows = parse(read_message("Payload"))
    if not header then return -1 end
    local key = interpolate.interpolate_from_msg(key_template)
    local first, status = first_new_row(header, last_times[key])
    if not first then return status end
    local gauges, source = {}, read_message("Hostname")
    for i = first, header.rows - 1 do
        local time = header.time + (i - 1) * header.seconds_per_row
        if not add_row(gauges, header, rows[i], time, source) then return -1 end
    end
    if #gauges == 0 then return -2 end
    inject_payload("json", "output", cjson.encode{gauges = gauges})
    last_times[key] = header.time
    return 0
end
