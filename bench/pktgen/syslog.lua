-- SPDX-License-Identifier: MPL-2.0
--
-- syslog.lua - RFC 3164 lines, at one rate (README.md).
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
require("heka_pktgen").main("syslog")
