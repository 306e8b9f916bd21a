-- SPDX-License-Identifier: MPL-2.0
-- try: peg, power that would not end
-- expect: not enough memory|instruction_limit exceeded|pattern too big
require "lpeg"
function process_message()
    local p = (lpeg.P"a" * "b") ^ 16000000
    p:match("x")
    return 0
end
