-- SPDX-License-Identifier: MPL-2.0
-- try: recursion without end
-- expect: stack overflow|instruction_limit exceeded
function process_message()
    local function f() return 1 + f() end
    return f()
end
