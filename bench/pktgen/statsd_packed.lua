-- SPDX-License-Identifier: MPL-2.0
--
-- statsd_packed.lua - 1,432 bytes of lines in each datagram, at one rate (README.md).
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
require("heka_pktgen").main("packed")
