-- SPDX-License-Identifier: MPL-2.0
-- try: gsub without end, without a limit
-- expect: stopped by the watchdog
-- limits: instruction_limit=0
function process_message()
    while true do ("x"):rep(1000):gsub("x", "y") end
    return 0
end
