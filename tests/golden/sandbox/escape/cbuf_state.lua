-- SPDX-License-Identifier: MPL-2.0
-- try: circular buffers given times and rows that do not exist
-- expect: contained
require "circular_buffer"
function process_message()
    local cb = circular_buffer.new(3, 2, 1, true)
    for _, t in ipairs({0, -1, 1e300, -1e300, 0 / 0, 1 / 0, 9e21, 9.1e21, 2^63, 1e18}) do
        for _, c in ipairs({-1, 0, 1, 2, 2.9, 3, 1e300, 0 / 0}) do
            pcall(cb.add, cb, t, c, 1)
            pcall(cb.set, cb, t, c, 0 / 0)
            pcall(cb.get, cb, t, c)
            pcall(cb.compute, cb, "sd", c, t, t)
            pcall(cb.mannwhitneyu, cb, c, t, t, t + 1e9, t + 2e9)
        end
    end
    for _, s in ipairs({"1e18 0 1 1 1 1 1 1", "0 3 1 1 1 1 1 1", "0 -1 1 1 1 1 1 1", "0 4294967295 1 1 1 1 1 1"}) do
        if pcall(cb.fromstring, cb, s) then escaped() end
    end
    cb:fromstring("5 0 1 1 1 1 1 1 1e300 1 1 -5 1 1")
    add_to_payload(cb:format("cbufd"), cb:format("cbuf"))
    contained()
    return 0
end
