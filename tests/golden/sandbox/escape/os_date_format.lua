-- SPDX-License-Identifier: MPL-2.0
-- try: a time format that C does not know
-- expect: contained
function process_message()
    local os = require("os")
    for _, f in ipairs({"%", "%%", "%E", "%O", "%Q", ("%c"):rep(500), "!*t", "*t", "", "!"}) do pcall(os.date, f, 0) end
    for _, t in ipairs({-1e300, 1e300, 0/0, 2^62}) do pcall(os.date, "%c", t) end
    for _, t in ipairs({{}, {year = 1e300, month = 1, day = 1}, {year = 0/0, month = -1e9, day = 1e9}}) do
        pcall(os.time, t)
    end
    contained()
    return 0
end
