-- SPDX-License-Identifier: MPL-2.0
-- try: cbuf, jump that would not end
-- expect: instruction_limit exceeded
require "circular_buffer"
local cb = circular_buffer.new(100000, 5, 1)
local at = 0
function process_message()
    while true do
        at = at + 1e15
        cb:set(at, 1, 1)
    end
end
