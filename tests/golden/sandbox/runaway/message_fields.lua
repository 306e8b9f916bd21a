-- SPDX-License-Identifier: MPL-2.0
-- try: a message with fields without end
-- expect: output_limit exceeded
function process_message()
    local t = {}
    for i = 1, 20000 do t["field" .. i] = i end
    inject_message({Fields = t})
    return 0
end
