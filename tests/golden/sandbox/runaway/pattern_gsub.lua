-- SPDX-License-Identifier: MPL-2.0
-- try: gsub with a pattern that tries for hours
-- expect: instruction_limit exceeded
function process_message()
    return ("a"):rep(40000):gsub((".-"):rep(20) .. "b", "x")
end
