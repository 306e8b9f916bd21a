-- SPDX-License-Identifier: MPL-2.0
-- try: strings that grow in C
-- expect: not enough memory|instruction_limit exceeded
require "struct"
require "string"
function process_message()
    local all = {}
    while true do all[#all + 1] = struct.pack("c1000000", string.rep("x", 1000000) .. #all) end
end
