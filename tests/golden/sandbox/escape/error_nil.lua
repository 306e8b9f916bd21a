-- SPDX-License-Identifier: MPL-2.0
-- try: an error without a value
-- expect: process_message() unknown error
function process_message()
    error()
end
