-- SPDX-License-Identifier: MPL-2.0
-- try: cjson, nested that would not end
-- expect: instruction_limit exceeded|not enough memory
require "cjson"
require "string"
function process_message()
    local s = string.rep("[", 990) .. string.rep("]", 990)
    while true do pcall(cjson.encode, {cjson.decode(s), cjson.decode(s)}) end
end
