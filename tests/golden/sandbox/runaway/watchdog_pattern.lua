-- SPDX-License-Identifier: MPL-2.0
-- try: a pattern that tries for hours, without a limit
-- expect: stopped by the watchdog
-- limits: instruction_limit=0
function process_message()
    return ("a"):rep(40000):match((".-"):rep(40) .. "b")
end
