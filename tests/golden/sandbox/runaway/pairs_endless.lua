-- SPDX-License-Identifier: MPL-2.0
-- try: a loop over a table that is refilled
-- expect: instruction_limit exceeded
function process_message()
    local t = {1}
    while true do for k in pairs(t) do t[k] = k end end
    return 0
end
