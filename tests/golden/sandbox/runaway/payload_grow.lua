-- SPDX-License-Identifier: MPL-2.0
-- try: payload without end
-- expect: output_limit exceeded
function process_message()
    while true do add_to_payload("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") end
    return 0
end
