-- SPDX-License-Identifier: MPL-2.0
-- try: a status that is a table
-- expect: process_message() must return a numeric status code
function process_message()
    return setmetatable({}, {__lt = escaped, __eq = escaped, __tostring = escaped})
end
