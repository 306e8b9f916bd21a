-- SPDX-License-Identifier: MPL-2.0
-- try: extensions as modules
-- expect: contained
function process_message()
    for _, name in ipairs({"string.buffer", "table.new", "table.clear", "table.isarray"}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
