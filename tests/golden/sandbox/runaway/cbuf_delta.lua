-- SPDX-License-Identifier: MPL-2.0
-- try: cbuf, delta that would not end
-- expect: not enough memory|instruction_limit exceeded
require "circular_buffer"
local cb = circular_buffer.new(2, 50, 1, true)
function process_message()
    local at = 0
    while true do
        at = at + 1e9
        cb:set(at, 1, 1)
    end
end
