-- SPDX-License-Identifier: MPL-2.0
-- try: a script without process_message
-- expect: process_message() function was not found
local x = 1
