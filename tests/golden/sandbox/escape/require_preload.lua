-- SPDX-License-Identifier: MPL-2.0
-- try: a loader that is put where require of Lua would look
-- expect: contained
function process_message()
    _G.package = {preload = {ffi = function() return "made" end}, path = "/etc/?", loaded = {}}
    if pcall(require, "ffi") then escaped() end
    contained()
    return 0
end
