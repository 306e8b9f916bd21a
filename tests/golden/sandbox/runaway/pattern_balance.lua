-- SPDX-License-Identifier: MPL-2.0
-- try: %b from each position
-- expect: instruction_limit exceeded
function process_message()
    return ("("):rep(60000):match("%b()")
end
