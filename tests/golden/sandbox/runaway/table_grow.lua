-- SPDX-License-Identifier: MPL-2.0
-- try: a table that grows
-- expect: not enough memory|instruction_limit exceeded
function process_message()
    local t = {}
    for i = 1, 1e9 do t[i] = i end
    return 0
end
