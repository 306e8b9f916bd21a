-- SPDX-License-Identifier: MPL-2.0
-- try: a table that changes while it is sorted
-- expect: contained
function process_message()
    local t = {}
    for i = 1, 100 do t[i] = i * 7 % 101 end
    pcall(require("table").sort, t, function(a, b) for i = 1, 200 do t[i] = nil end; return true end)
    pcall(table.sort, t, pcall)
    pcall(table.sort, {1, 2, 3, 4, 5}, function() return true end)
    contained()
    return 0
end
