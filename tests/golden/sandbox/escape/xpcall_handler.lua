-- SPDX-License-Identifier: MPL-2.0
-- try: a handler that sees the stack of the error
-- expect: contained
function process_message()
    local deep = 0
    local function f() deep = deep + 1; error("x") end
    local ok, text = xpcall(f, function(e) deep = deep + 1; return e .. "!" end)
    if ok or deep ~= 2 or text:sub(-2) ~= "x!" then escaped() end
    contained()
    return 0
end
