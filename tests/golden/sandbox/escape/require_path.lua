-- SPDX-License-Identifier: MPL-2.0
-- try: a path instead of a name
-- expect: contained
function process_message()
    for _, name in ipairs({"../escape_target", "/etc/passwd", "./x", "modules/escape_target"}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
