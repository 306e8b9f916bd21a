-- SPDX-License-Identifier: MPL-2.0
-- try: a text that is a table
-- expect: process_message() must return a nil or string error message
function process_message()
    return -1, setmetatable({}, {__tostring = escaped})
end
