-- SPDX-License-Identifier: MPL-2.0
-- try: alternatives that are tried again and again, in C
-- expect: stopped by the watchdog
-- limits: instruction_limit=0
require "lpeg"
require "string"
local rules = {lpeg.V(60), [2] = lpeg.P"a"} -- each tries the one before twice: 2^58 ways
for i = 3, 60 do rules[i] = lpeg.V(i - 1) * "x" + lpeg.V(i - 1) * "y" end
local p = lpeg.P(rules)
function process_message()
    while true do pcall(lpeg.match, p, string.rep("a", 100)) end
end
