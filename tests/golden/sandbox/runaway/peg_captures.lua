-- SPDX-License-Identifier: MPL-2.0
-- try: peg, captures that would not end
-- expect: C stack overflow|instruction_limit exceeded|not enough memory
require "lpeg"
require "string"
lpeg.setmaxstack(1000000)
local p = lpeg.P{lpeg.Ct("(" * lpeg.V(1) ^ 0 * ")")}
function process_message()
    local s = string.rep("(", 200000) .. string.rep(")", 200000)
    while true do p:match(s) end
end
