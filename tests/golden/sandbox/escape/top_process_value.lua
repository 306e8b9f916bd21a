-- SPDX-License-Identifier: MPL-2.0
-- try: a process_message that is no function
-- expect: process_message() function was not found
process_message = setmetatable({}, {__call = function() escaped() end})
