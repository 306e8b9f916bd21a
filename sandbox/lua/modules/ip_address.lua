-- SPDX-License-Identifier: MPL-2.0
--
-- ip_address - LPeg patterns of IP addresses as text; none of them captures.
--
--   v4  dotted decimal, four numbers up to 255
--   v6  RFC 4291 section 2.2, all three forms (grammar: RFC 3986 section 3.2.2)
local lpeg = require "lpeg"

local M = {}

local digit, hex = lpeg.R"09", lpeg.R("09", "af", "AF")

local octet = lpeg.P"25" * lpeg.R"05"
            + lpeg.P"2" * lpeg.R"04" * digit
            + lpeg.P"1" * digit * digit
            + lpeg.R"19" * digit
            + digit
-- The first alternatives are the longest ones, but "25" may also be the beginning of "25" alone.
M.v4 = octet * "." * octet * "." * octet * "." * octet

local group = hex * hex^-3
local piece = group * ":"
local last32 = piece * group + M.v4

local function pieces(count)
    local all = lpeg.P(true)
    for _ = 1, count do all = all * piece end
    return all
end

-- Up to `count` groups before a "::"; the last of their colons is its first one.
local function before(count)
    return piece * piece^-(count - 1) * ":" + lpeg.P"::"
end

M.v6 = pieces(6) * last32
     + lpeg.P"::" * pieces(5) * last32
     + group^-1 * "::" * pieces(4) * last32
for count = 2, 5 do
    M.v6 = M.v6 + before(count) * pieces(5 - count) * last32
end
M.v6 = M.v6 + before(6) * group + before(7)

return M
