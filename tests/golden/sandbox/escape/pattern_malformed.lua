-- SPDX-License-Identifier: MPL-2.0
-- try: patterns that end too early
-- expect: contained
function process_message()
    local string = require("string")
    for _, p in ipairs({"%", "[", "[^", "[%", "[]", "[a", "[a-", "(", ")", "%b", "%bx", "%f", "%f[", "(()", "%1", "%9",
            "[%", "(%1)", "^(", ("("):rep(40), "[a-%", "[%a-", "x*%", "%0"}) do
        if pcall(string.match, "xyz", p) and p ~= ")" and p ~= "%0" then escaped() end
        pcall(string.gsub, "xyz", p, "%1")
        pcall(string.find, "", p)
    end
    contained()
    return 0
end
