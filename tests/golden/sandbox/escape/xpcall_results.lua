-- SPDX-License-Identifier: MPL-2.0
-- try: results and arguments through xpcall
-- expect: contained
function process_message()
    local r = {xpcall(function(...) return select("#", ...), ... end, pcall, 1, nil, 3)}
    if r[1] ~= true or r[2] ~= 3 or r[3] ~= 1 or r[5] ~= 3 then escaped() end
    contained()
    return 0
end
