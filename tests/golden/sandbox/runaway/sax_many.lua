-- SPDX-License-Identifier: MPL-2.0
-- try: sax_many, without end
-- expect: instruction_limit exceeded
require "sax"
local w = sax.window.new(100000, 50000, 26)
function process_message()
    while true do w:get_word() end
end
