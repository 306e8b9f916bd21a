-- SPDX-License-Identifier: MPL-2.0
-- try: an endless loop that catches, without a limit
-- expect: stopped by the watchdog
-- limits: instruction_limit=0
function process_message()
    while true do pcall(function() while true do end end) end
    return 0
end
