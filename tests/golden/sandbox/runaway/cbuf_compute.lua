-- SPDX-License-Identifier: MPL-2.0
-- try: cbuf, compute that would not end
-- expect: instruction_limit exceeded|not enough memory
require "circular_buffer"
local cb = circular_buffer.new(2000, 1, 1)
function process_message()
    while true do
        cb:compute("variance", 1)
        cb:mannwhitneyu(1, 0, 900e9, 1000e9, 1900e9)
    end
end
