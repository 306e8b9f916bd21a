-- SPDX-License-Identifier: MPL-2.0
-- try: widths and conversions that C would obey
-- expect: contained
function process_message()
    local string = require("string")
    if pcall(string.format, "%99999d", 1) or pcall(string.format, "%n", 1) then escaped() end
    pcall(string.format, "%s")
    pcall(string.format, "%-#0 +99.99f", 1e308)
    contained()
    return 0
end
