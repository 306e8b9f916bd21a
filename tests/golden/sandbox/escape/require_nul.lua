-- SPDX-License-Identifier: MPL-2.0
-- try: a NUL byte that ends the name for the system
-- expect: contained
function process_message()
    for _, name in ipairs({"nothing\0/../escape_target", "string\0", "\0"}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
