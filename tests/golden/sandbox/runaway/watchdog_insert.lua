-- SPDX-License-Identifier: MPL-2.0
-- try: shifting a large table, without a limit
-- expect: stopped by the watchdog
-- limits: instruction_limit=0
function process_message()
    local t = {}
    for i = 1, 100000 do t[i] = i end
    while true do require("table").insert(t, 1, 1); table.remove(t, 1) end
    return 0
end
