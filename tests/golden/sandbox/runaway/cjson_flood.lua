-- SPDX-License-Identifier: MPL-2.0
-- try: cjson, flood that would not end
-- expect: not enough memory|instruction_limit exceeded
require "cjson"
require "string"
function process_message()
    local s = "[" .. string.rep("1,", 1000000) .. "1]"
    local all = {}
    while true do all[#all + 1] = cjson.decode(s) end
end
