-- SPDX-License-Identifier: MPL-2.0
-- try: sorting without end, without a limit
-- expect: stopped by the watchdog
-- limits: instruction_limit=0
function process_message()
    local t = {}
    for i = 1, 30000 do t[i] = i end
    while true do require("table").sort(t) end
    return 0
end
