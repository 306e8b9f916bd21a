-- SPDX-License-Identifier: MPL-2.0
--
-- rfc2544.lua - the highest rate without loss (RFC 2544 section 26.1), of whatever pcap file pktgen
-- was started with, by halving between 0 and HEKA_RATE percent of the link. A rate counts when
-- every frame that was sent is in the appliance's books, and these balance.
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
local heka = require "heka_pktgen"

local STEPS = 10

heka.prepare()
local low, high, best = 0, heka.rate, nil
local rate = high
for _ = 1, STEPS do
    local run = heka.run(rate, heka.seconds)
    heka.print("trial", run)
    if run.loss <= heka.loss_max and run.residual == 0 then
        best, low = run, rate
    else
        high = rate
    end
    if low == high then break end -- nothing was lost at the highest rate
    rate = (low + high) / 2
end
if best then
    heka.print("no-drop rate", best)
else
    print("no-drop rate: none was found")
end
pktgen.quit()
