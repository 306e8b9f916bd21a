-- SPDX-License-Identifier: MPL-2.0
-- try: next, again and again
-- expect: instruction_limit exceeded
function process_message()
    local t = {1, 2, 3}
    local k
    while true do k = next(t, k) end
    return 0
end
