-- SPDX-License-Identifier: MPL-2.0
-- try: extensions that need a loader
-- expect: contained
function process_message()
    if require("table").new or table.clear then escaped() end
    contained()
    return 0
end
