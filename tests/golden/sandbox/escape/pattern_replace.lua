-- SPDX-License-Identifier: MPL-2.0
-- try: replacements that refer to what is not there
-- expect: contained
function process_message()
    local string = require("string")
    if pcall(string.gsub, "x", "x", "%2") or pcall(string.gsub, "x", "()x", "%9") then escaped() end
    if pcall(string.gsub, "x", "x", function() return {} end) then escaped() end
    if string.gsub("x", "x", "%") ~= "%" then escaped() end
    contained()
    return 0
end
