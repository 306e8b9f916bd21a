-- SPDX-License-Identifier: MPL-2.0
-- try: gmatch with a pattern that tries for hours
-- expect: instruction_limit exceeded
function process_message()
    for x in ("a"):rep(40000):gmatch(("a?"):rep(30) .. ("a-"):rep(9) .. "b") do end
    return 0
end
