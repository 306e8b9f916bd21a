-- SPDX-License-Identifier: MPL-2.0
-- try: libraries that are not for scripts
-- expect: contained
function process_message()
    for _, name in ipairs({"io", "debug", "package", "coroutine", "_G"}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
