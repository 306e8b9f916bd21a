-- SPDX-License-Identifier: MPL-2.0
-- try: choices within choices
-- expect: pattern too complex
function process_message()
    return ("a"):rep(1000):match(("a?"):rep(500) .. "b")
end
