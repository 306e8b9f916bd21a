-- SPDX-License-Identifier: MPL-2.0
-- try: 64-bit literals load ffi
-- expect: contained
function process_message()
    local n = 0x7fffffffffffffffLL
    if getmetatable(n) then escaped() end
    if pcall(function() return n.new end) then escaped() end
    if pcall(function() return n() end) then escaped() end
    if pcall(function() return #n end) then escaped() end
    local unsigned, imaginary = 1ULL + 1, 2i
    if tostring(unsigned) ~= "2ULL" then escaped() end
    contained()
    return 0
end
