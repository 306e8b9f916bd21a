-- SPDX-License-Identifier: MPL-2.0
--
-- schema_influx_line - a message's fields in InfluxDB's line protocol.
-- Options: decimal_precision ("6"), name_prefix, name_prefix_delimiter, skip_fields,
-- source_value_field, tag_fields ("**all_base**"), timestamp_precision ("ms"; "s", "m", "h"),
-- value_field_key ("value"), as in the module ts_line_protocol.
require "table"
local ts_line_protocol = require "ts_line_protocol"

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

function process_message()
    local lines = ts_line_protocol.influxdb_line_msg(config)
    inject_payload("txt", "influx_line", table.concat(lines, "\n") .. "\n")
    return 0
end
