-- SPDX-License-Identifier: MPL-2.0
-- try: ranges that are larger than the stack
-- expect: contained
function process_message()
    if pcall(unpack, {}, 1, 1e8) then escaped() end
    pcall(unpack, {}, -2^31, 2^31)
    pcall(select, -1)
    pcall(require("string").byte, ("x"):rep(1e6), 1, -1)
    pcall(require("string").char, unpack({}, 1, 200))
    contained()
    return 0
end
