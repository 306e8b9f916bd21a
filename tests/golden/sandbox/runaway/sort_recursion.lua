-- SPDX-License-Identifier: MPL-2.0
-- try: sort in the comparison of sort
-- expect: C stack overflow|instruction_limit exceeded
function process_message()
    local function f() require("table").sort({2, 1}, f) return false end
    f()
    return 0
end
