-- SPDX-License-Identifier: MPL-2.0
-- try: a 64-bit number as key, and as method target
-- expect: contained
function process_message()
    local t = {}
    t[1LL] = true
    if t[1] or t[1LL] then escaped() end
    if pcall(function() return (1LL):new() end) then escaped() end
    contained()
    return 0
end
