-- SPDX-License-Identifier: MPL-2.0
-- try: a process_message that is exchanged later
-- expect: contained
function process_message()
    process_message = function() escaped() end
    timer_event = function() escaped() end
    if count == 2 then return end
    contained()
    return 0
end
