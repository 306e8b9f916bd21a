-- SPDX-License-Identifier: MPL-2.0
-- try: an error value with __tostring that the host would call
-- expect: process_message() unknown error
function process_message()
    error(setmetatable({}, {__tostring = function() escaped() end}))
end
