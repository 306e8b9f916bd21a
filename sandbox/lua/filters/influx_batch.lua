-- SPDX-License-Identifier: MPL-2.0
--
-- influx_batch - messages' fields in InfluxDB's line protocol, many messages in one payload: those
-- of an interval, or flush_count of them (0: no limit).
-- Other options: those of the encoder schema_influx_line.
require "table"
local ts_line_protocol = require "ts_line_protocol"

local flush_count = tonumber(read_config("flush_count")) or 0
local config = ts_line_protocol.set_config{
    decimal_precision = read_config("decimal_precision"),
    name_prefix = read_config("name_prefix"),
    name_prefix_delimiter = read_config("name_prefix_delimiter"),
    skip_fields_str = read_config("skip_fields"),
    source_value_field = read_config("source_value_field"),
    tag_fields_str = read_config("tag_fields") or "**all_base**",
    timestamp_precision = read_config("timestamp_precision"),
    value_field_key = read_config("value_field_key"),
}

local waiting = 0 -- messages in the payload

local function flush()
    if waiting == 0 then return end
    inject_payload("txt", "influx_line")
    waiting = 0
end

function process_message()
    add_to_payload(table.concat(ts_line_protocol.influxdb_line_msg(config), "\n"), "\n")
    waiting = waiting + 1
    if waiting == flush_count then flush() end
    return 0
end

function timer_event()
    flush()
end
