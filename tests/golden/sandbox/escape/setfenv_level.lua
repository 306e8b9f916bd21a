-- SPDX-License-Identifier: MPL-2.0
-- try: the environment of callers and of the thread
-- expect: contained
function process_message()
    for _, level in ipairs({0, 2, 3, -1, 1.5, 1e300, 0/0}) do
        if pcall(setfenv, level, {}) then escaped() end
    end
    if pcall(setfenv, "1", {}) then escaped() end
    contained()
    return 0
end
