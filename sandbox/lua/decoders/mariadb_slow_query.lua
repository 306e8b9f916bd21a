-- SPDX-License-Identifier: MPL-2.0
--
-- mariadb_slow_query - MariaDB's slow query log to messages of type mariadb.slow-query; one
-- statement with its header is one record. Option: truncate_sql.
local mysql = require "mysql"

process_message = require("slow_query").decoder(mysql.mariadb_slow_query_grammar,
                                                "mariadb.slow-query")
