-- SPDX-License-Identifier: MPL-2.0
-- try: a message that is a loop
-- expect: unsupported array type: table
function process_message()
    local t = {}
    t[1] = t
    inject_message({Fields = {a = t}})
    return 0
end
