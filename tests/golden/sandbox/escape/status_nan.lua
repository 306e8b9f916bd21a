-- SPDX-License-Identifier: MPL-2.0
-- try: a status that is no number
-- expect: process_message() must return a numeric status code
function process_message()
    return 0/0
end
