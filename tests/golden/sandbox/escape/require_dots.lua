-- SPDX-License-Identifier: MPL-2.0
-- try: dots that become the parent folder
-- expect: contained
function process_message()
    for _, name in ipairs({"..escape_target", "...", ".", "a..b", ".a", "a."}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
