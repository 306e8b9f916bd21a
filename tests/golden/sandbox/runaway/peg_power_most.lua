-- SPDX-License-Identifier: MPL-2.0
-- try: peg, power_most that would not end
-- expect: not enough memory|instruction_limit exceeded|pattern too big
require "lpeg"
function process_message()
    local p = lpeg.P'a' ^ -200000
    for i = 1, 1000 do p = p ^ -200000 end
    p:match("x")
    return 0
end
