-- SPDX-License-Identifier: MPL-2.0
-- try: gsub in the function of gsub
-- expect: C stack overflow|instruction_limit exceeded
function process_message()
    local function f() return (("x"):gsub("x", f)) end
    return f()
end
