-- SPDX-License-Identifier: MPL-2.0
-- try: peg, recursion that would not end
-- expect: C stack overflow|stack overflow
require "lpeg"
local p
p = lpeg.Cmt("a", function(s, i) return p:match(s) end)
function process_message()
    p:match("aa")
    return 0
end
