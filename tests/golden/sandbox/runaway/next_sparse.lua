-- SPDX-License-Identifier: MPL-2.0
-- try: next over a large table that is empty
-- expect: instruction_limit exceeded
function process_message()
    local t = {}
    for i = 1, 10000 do t["k" .. i] = i end
    for k in pairs(t) do t[k] = nil end
    while true do for i = 1, 100 do local x = 1 end next(t) end
    return 0
end
