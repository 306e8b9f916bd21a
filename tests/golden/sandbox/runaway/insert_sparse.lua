-- SPDX-License-Identifier: MPL-2.0
-- try: a table whose border a few keys put at 2^30
-- expect: too many elements to move|instruction_limit exceeded
function process_message()
    local t = {}
    for k = 0, 30 do t[2^k] = 1 end
    require("table").insert(t, 1, 1)
    if #t < 2^29 then error("too many elements to move") end
    return 0
end
