-- SPDX-License-Identifier: MPL-2.0
-- try: peg, grammar that would not end
-- expect: instruction_limit exceeded|not enough memory|too many rules
require "lpeg"
function process_message()
    while true do
        local t, p = {}, lpeg.V(1)
        for i = 1, 900 do t[i] = "x" * lpeg.V(i % 900 + 1) end
        for i = 1, 20 do p = p + p end
        t[1] = "a" + "b" * p
        pcall(lpeg.P, t)
    end
end
