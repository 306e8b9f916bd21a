-- SPDX-License-Identifier: MPL-2.0
-- try: positions outside of the text
-- expect: contained
function process_message()
    local string = require("string")
    for _, n in ipairs({-1e308, 1e308, 0/0, -5, 100, 2^53, -2^63}) do
        string.find("abc", "b", n)
        string.find("abc", "b", n, true)
        string.match("abc", ".", n)
        string.sub("abc", n, n)
        pcall(string.byte, "abc", n, n)
    end
    contained()
    return 0
end
