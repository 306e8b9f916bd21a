-- SPDX-License-Identifier: MPL-2.0
--
-- statsd_imix.lua - frames of 64, 594 and 1,518 bytes, 7 : 4 : 1, at one rate (README.md).
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
require("heka_pktgen").main("imix")
