-- SPDX-License-Identifier: MPL-2.0
-- try: a table that pretends to be a built-in module
-- expect: contained
function process_message()
    string = nil
    _G.os = {}
    if require("os").execute or require("os") == _G or not require("string").format then escaped() end
    contained()
    return 0
end
