-- SPDX-License-Identifier: MPL-2.0
-- try: cbuf, fill that would not end
-- expect: not enough memory
require "circular_buffer"
function process_message()
    local all = {}
    while true do all[#all + 1] = circular_buffer.new(1440, 20, 60) end
end
