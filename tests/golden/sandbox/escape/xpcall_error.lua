-- SPDX-License-Identifier: MPL-2.0
-- try: a handler that fails
-- expect: contained
function process_message()
    local ok = pcall(xpcall, function() error("a") end, function() error("b") end)
    if ok then escaped() end
    if pcall(xpcall) or pcall(xpcall, 1) then escaped() end
    contained()
    return 0
end
