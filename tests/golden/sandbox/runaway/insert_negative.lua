-- SPDX-License-Identifier: MPL-2.0
-- try: a position far below 0
-- expect: position out of bounds
function process_message()
    require("table").insert({1}, -2^31, 1)
    return 0
end
