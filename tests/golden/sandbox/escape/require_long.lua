-- SPDX-License-Identifier: MPL-2.0
-- try: names without a sensible length
-- expect: contained
function process_message()
    for _, name in ipairs({("x"):rep(5000), ("a."):rep(4000) .. "a", ""}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
