-- SPDX-License-Identifier: MPL-2.0
-- try: a comparison that never returns
-- expect: instruction_limit exceeded
function process_message()
    require("table").sort({3, 2, 1}, function() while true do end end)
    return 0
end
