-- SPDX-License-Identifier: MPL-2.0
-- try: methods of strings that are not in the library table
-- expect: contained
function process_message()
    local s = "x"
    if s.dump or s.buffer or s.new then escaped() end
    if s.format ~= require("string").format then escaped() end
    contained()
    return 0
end
