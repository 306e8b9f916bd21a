-- SPDX-License-Identifier: MPL-2.0
--
-- statsd_single.lua - 64-byte frames of one metric, at one rate (README.md).
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
require("heka_pktgen").main("single")
