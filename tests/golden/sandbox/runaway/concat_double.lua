-- SPDX-License-Identifier: MPL-2.0
-- try: a string that doubles
-- expect: not enough memory
function process_message()
    local s = "x"
    while true do s = s .. s end
    return 0
end
