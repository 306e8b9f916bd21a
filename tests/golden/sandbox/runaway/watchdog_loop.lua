-- SPDX-License-Identifier: MPL-2.0
-- try: an endless loop without a limit
-- expect: stopped by the watchdog
-- limits: instruction_limit=0
function process_message()
    while true do end
    return 0
end
