-- SPDX-License-Identifier: MPL-2.0
-- try: comparisons in C only
-- expect: instruction_limit exceeded
function process_message()
    local t = {}
    for i = 1, 30000 do t[i] = i * 7919 % 30011 end
    while true do pcall(require("table").sort, t); table.insert(t, table.remove(t, 1)) end
    return 0
end
