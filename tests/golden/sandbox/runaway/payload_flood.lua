-- SPDX-License-Identifier: MPL-2.0
-- try: more payloads than one call may inject
-- expect: exceeded InjectMessage count
function process_message()
    while true do inject_payload("txt", "x", "x") end
    return 0
end
