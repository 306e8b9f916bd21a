-- SPDX-License-Identifier: MPL-2.0
-- try: closures in closures
-- expect: not enough memory
function process_message()
    local f = function() end
    while true do local g = f; local a, b, c, d = {g}, {g}, {g}, {g}; f = function() return g, a, b, c, d end end
    return 0
end
