-- SPDX-License-Identifier: MPL-2.0
-- try: cuckoo_full, without end
-- expect: instruction_limit exceeded
require "cuckoo_filter"
local f = cuckoo_filter.new(1000)
function process_message()
    local i = 0
    while true do
        i = i + 1
        f:add(i)
    end
end
