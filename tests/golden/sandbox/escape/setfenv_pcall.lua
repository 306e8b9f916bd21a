-- SPDX-License-Identifier: MPL-2.0
-- try: the environment of a C function that calls setfenv
-- expect: contained
function process_message()
    if pcall(setfenv, 1, {}) then escaped() end
    if require("string").gsub("x", "x", function() return tostring(pcall(setfenv, 1, {})) end) ~= "false" then
        escaped()
    end
    contained()
    return 0
end
