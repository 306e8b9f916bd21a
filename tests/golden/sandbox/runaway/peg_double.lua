-- SPDX-License-Identifier: MPL-2.0
-- try: peg, double that would not end
-- expect: not enough memory|instruction_limit exceeded|pattern too big
require "lpeg"
function process_message()
    local p = lpeg.C(1)
    for i = 1, 60 do p = p * p end
    p:match("x")
    return 0
end
