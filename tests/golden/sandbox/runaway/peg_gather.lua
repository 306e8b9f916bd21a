-- SPDX-License-Identifier: MPL-2.0
-- try: peg, gather that would not end
-- expect: not enough memory|instruction_limit exceeded|too many captures
require "lpeg"
require "string"
local p = lpeg.Ct(lpeg.C(1) ^ 0)
function process_message()
    local all = {}
    for i = 1, 1e9 do all[i] = p:match(string.rep("x", 100000)) end
    return 0
end
