-- SPDX-License-Identifier: MPL-2.0
-- try: metamethods while a message is encoded
-- expect: contained
function process_message()
    inject_message(setmetatable({Type = "x", Fields = setmetatable({}, {__index = escaped, __len = escaped})},
        {__index = escaped}))
    contained()
    return 0
end
