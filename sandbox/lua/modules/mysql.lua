-- SPDX-License-Identifier: MPL-2.0
--
-- mysql - LPeg grammars of an entry of MySQL's and MariaDB's slow query logs: Hostname, Timestamp,
-- Fields (Query_time, Lock_time, Rows_sent, Rows_examined, and MariaDB's), Payload: the statement.
--
--   slow_query_grammar, mariadb_slow_query_grammar               with the line of the user
--   short_slow_query_grammar, mariadb_short_slow_query_grammar   without it
local lpeg = require "lpeg"
local C, Cc, Cg, Ct, P, R, S = lpeg.C, lpeg.Cc, lpeg.Cg, lpeg.Ct, lpeg.P, lpeg.R, lpeg.S

local M = {}

local digits, letters = R"09"^1, R("az", "AZ")
local blank = S" \t\n\v\f\r"
local line = (1 - P"\n")^0 * "\n"

local function integer(label, name) return label * Cg(digits / tonumber, name) end
local function seconds(label, name)
    local value = Cg(digits * "." * digits / tonumber, "value")
    return label * Cg(Ct(value * Cg(Cc"s", "representation")), name)
end
local function yes_no(label, name) return label * Cg(C(P"Yes" + "No"), name) end

local time = "# Time: " * line
local host = letters^0 * blank^0 * "[" * Cg((1 - P"]")^1, "Hostname") * "]"
local user = "# User@Host: " * letters^1 * "[" * letters^1 * "]" * blank^1 * "@" * blank^1 * host
    * "\n"
local query = seconds("# Query_time: ", "Query_time") * blank^1
    * seconds("Lock_time: ", "Lock_time") * blank^1
    * integer("Rows_sent: ", "Rows_sent") * blank^1
    * integer("Rows_examined: ", "Rows_examined") * "\n"

local set = "SET " * ("last_insert_id=" * digits * ",")^0 * ("insert_id=" * digits * ",")^0
    * "timestamp=" * Cg(digits / "%0000000000", "Timestamp") * ";\n"
local statement_end = ";" * (P"\n" + -1)
local statement = ("use " * line)^0 * set * ("# administrator command: " * line)^0
    * Cg((1 - statement_end)^0 * statement_end, "Payload")

local thread = integer("# Thread_id: ", "Thread_id")
    * "  Schema: " * Cg((letters + R"09")^0, "Schema")
    * yes_no("  QC_hit: ", "QC_hit") * "\n"
local scan = yes_no("# Full_scan: ", "Full_scan") * yes_no("  Full_join: ", "Full_join")
    * yes_no("  Tmp_table: ", "Tmp_table")
    * yes_no("  Tmp_table_on_disk: ", "Tmp_table_on_disk") * "\n"
    * yes_no("# Filesort: ", "Filesort") * yes_no("  Filesort_on_disk: ", "Filesort_on_disk")
    * integer("  Merge_passes: ", "Merge_passes") * "\n"

local fields = Cg(Ct(query), "Fields")
local mariadb_fields = Cg(Ct(thread * query * scan^0), "Fields")

M.slow_query_grammar = Ct(time^0 * user * fields * statement)
M.mariadb_slow_query_grammar = Ct(time^0 * user * mariadb_fields * statement)
M.short_slow_query_grammar = Ct(fields * statement)
M.mariadb_short_slow_query_grammar = Ct(mariadb_fields * statement)

return M
