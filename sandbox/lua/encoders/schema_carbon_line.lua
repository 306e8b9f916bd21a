-- SPDX-License-Identifier: MPL-2.0
--
-- schema_carbon_line - the numbers among a message's fields as lines for Carbon.
-- Options: name_prefix, name_prefix_delimiter ("."), skip_fields, source_value_field, as in the
-- module ts_line_protocol.
require "table"
local ts_line_protocol = require "ts_line_protocol"

local config = ts_line_protocol.set_config{
    carbon_format = true,
    timestamp_precision = "s",
    name_prefix = read_config("name_prefix"),
    name_prefix_delimiter = read_config("name_prefix_delimiter") or ".",
    skip_fields_str = read_config("skip_fields"),
    source_value_field = read_config("source_value_field"),
}

function process_message()
    local lines = ts_line_protocol.carbon_line_msg(config)
    inject_payload("txt", "carbon_line", table.concat(lines, "\n") .. "\n")
    return 0
end
