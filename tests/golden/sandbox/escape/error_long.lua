-- SPDX-License-Identifier: MPL-2.0
-- try: an error text that is longer than the host keeps
-- expect: process_message() xxxx
function process_message()
    error(("x"):rep(100000), 0)
end
