-- SPDX-License-Identifier: MPL-2.0
--
-- mysql_slow_query - MySQL's slow query log to messages of type mysql.slow-query; one statement
-- with its header is one record. Option: truncate_sql.
local mysql = require "mysql"

process_message = require("slow_query").decoder(mysql.slow_query_grammar, "mysql.slow-query")
