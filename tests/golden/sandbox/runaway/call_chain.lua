-- SPDX-License-Identifier: MPL-2.0
-- try: __call of itself
-- expect: process_message() 
function process_message()
    local t = setmetatable({}, {})
    getmetatable(t).__call = t
    t()
    return 0
end
