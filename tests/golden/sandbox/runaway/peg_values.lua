-- SPDX-License-Identifier: MPL-2.0
-- try: peg, values that would not end
-- expect: not enough memory|too many captures|stack overflow|instruction_limit exceeded
require "lpeg"
require "string"
function process_message()
    return (lpeg.C(1) ^ 0):match(string.rep("x", 1000000))
end
