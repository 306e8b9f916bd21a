-- SPDX-License-Identifier: MPL-2.0
--
-- statsd_senders.lua - packed lines from 1,000 addresses, at one rate (README.md).
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
require("heka_pktgen").main("senders")
