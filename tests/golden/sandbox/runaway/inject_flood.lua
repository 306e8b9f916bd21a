-- SPDX-License-Identifier: MPL-2.0
-- try: more messages than one call may inject
-- expect: exceeded InjectMessage count
function process_message()
    while true do inject_message({Type = "x"}) end
    return 0
end
