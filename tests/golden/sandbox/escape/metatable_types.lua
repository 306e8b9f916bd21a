-- SPDX-License-Identifier: MPL-2.0
-- try: metatables of numbers, functions, booleans and nil
-- expect: contained
function process_message()
    for _, value in ipairs({1, true, pcall, "x", 1LL}) do
        if type(getmetatable(value)) == "table" then escaped() end
        if pcall(setmetatable, value, {}) then escaped() end
    end
    if getmetatable(nil) ~= nil or pcall(setmetatable, nil, {}) then escaped() end
    contained()
    return 0
end
