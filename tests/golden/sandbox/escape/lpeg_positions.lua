-- SPDX-License-Identifier: MPL-2.0
-- try: positions and captures outside of the subject
-- expect: contained
require "lpeg"
require "string"
local l = lpeg
function process_message()
    for _, at in ipairs({0, -1, 5, 1e300, -1e300, 0 / 0, 2^53, 2^31, -2^31}) do
        local ok, r = pcall(l.match, l.C(1), "abc", at)
        if ok and r ~= nil and (type(r) ~= "string" or #r ~= 1) then escaped() end
        ok, r = pcall(l.match, l.Cmt("a", function() return at end) * l.C(1), "abc")
        if ok and r ~= nil and #r ~= 1 then escaped() end
    end
    for _, bad in ipairs({l.Cb"x", l.Carg(9), l.P"a" / 9, l.P"a" / "%9", l.Cf(l.P"a" / 0, rawequal)}) do
        if pcall(l.match, bad, "a") then escaped() end
    end
    if l.match(l.B"a" * 1, "abc", 1) or l.match(l.B(l.P(255)), "abc") then escaped() end
    local error_inside = l.P"a" / function() error("x") end
    if pcall(l.match, l.Cs(error_inside), "a") then escaped() end
    if l.match(l.Cs((l.P"a" / "b" + 1)^0), "xax") ~= "xbx" then escaped() end
    contained()
    return 0
end
