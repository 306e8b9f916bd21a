-- SPDX-License-Identifier: MPL-2.0
-- try: tail calls without end
-- expect: instruction_limit exceeded
function process_message()
    local function f() return f() end
    return f()
end
