-- SPDX-License-Identifier: MPL-2.0
-- try: formats that grow
-- expect: not enough memory
function process_message()
    local s = "x"
    while true do s = ("%s%s%s"):format(s, s, s) end
    return 0
end
