-- SPDX-License-Identifier: MPL-2.0
-- try: a metatable on the globals that answers the host
-- expect: contained
function process_message()
    setmetatable(_G, {__index = function(_, k) return escaped end, __newindex = escaped})
    setmetatable(_G, nil)
    contained()
    return 0
end
