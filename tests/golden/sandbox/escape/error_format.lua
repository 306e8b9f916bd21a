-- SPDX-License-Identifier: MPL-2.0
-- try: an error text with format characters
-- expect: process_message() %s%n%s
function process_message()
    error("%s%n%s%p", 0)
end
