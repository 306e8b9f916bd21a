-- SPDX-License-Identifier: MPL-2.0
-- try: the payload function, kept under its name of the top level
-- expect: contained
local early, late = output, add_to_payload
function process_message()
    if late ~= nil or early == nil then escaped() end
    contained()
    return 0
end
