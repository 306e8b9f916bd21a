-- SPDX-License-Identifier: MPL-2.0
-- try: tables in tables
-- expect: not enough memory
function process_message()
    local t = {}
    while true do t = {t, t, t, t, t, t, t, t} end
    return 0
end
