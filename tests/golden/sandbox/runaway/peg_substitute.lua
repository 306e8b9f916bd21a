-- SPDX-License-Identifier: MPL-2.0
-- try: peg, substitute that would not end
-- expect: not enough memory|instruction_limit exceeded
require "lpeg"
require "string"
function process_message()
    local s = "x"
    while true do s = lpeg.Cs((lpeg.P(1) / "%0%0%0%0") ^ 0):match(s) end
end
