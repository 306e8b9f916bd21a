-- SPDX-License-Identifier: MPL-2.0
--
-- statsd_malformed.lua - packed lines, 5 % of them bad, at one rate (README.md).
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
require("heka_pktgen").main("malformed")
