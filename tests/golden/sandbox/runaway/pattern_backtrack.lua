-- SPDX-License-Identifier: MPL-2.0
-- try: a pattern that tries for hours
-- expect: instruction_limit exceeded
function process_message()
    return ("a"):rep(40000):match((".-"):rep(40) .. "b")
end
