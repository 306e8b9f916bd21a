-- SPDX-License-Identifier: MPL-2.0
-- try: replacements that grow
-- expect: not enough memory|instruction_limit exceeded
function process_message()
    local s = "x"
    while true do s = s:gsub("x", "xxxxxxxx") end
    return 0
end
