-- SPDX-License-Identifier: MPL-2.0
-- try: a finaliser of a table
-- expect: contained
function process_message()
    local ran = false
    for i = 1, 2000 do setmetatable({}, {__gc = function() ran = true end}) end
    for i = 1, 2000 do local t = {i, {i}} end
    if ran then escaped() end
    contained()
    return 0
end
