-- SPDX-License-Identifier: MPL-2.0
-- try: userdata whose __gc runs outside of every limit
-- expect: contained
function process_message()
    if newproxy then escaped() end
    contained()
    return 0
end
