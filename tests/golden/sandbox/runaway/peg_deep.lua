-- SPDX-License-Identifier: MPL-2.0
-- try: peg, deep that would not end
-- expect: C stack overflow|instruction_limit exceeded|not enough memory
require "lpeg"
function process_message()
    local p = lpeg.P"a"
    for i = 1, 200000 do p = #(p + "b") * 1 end
    p:match("x")
    return 0
end
