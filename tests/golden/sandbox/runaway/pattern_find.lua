-- SPDX-License-Identifier: MPL-2.0
-- try: find with a pattern that tries for hours
-- expect: instruction_limit exceeded
function process_message()
    return ("a"):rep(40000):find(("a*"):rep(30) .. "b")
end
