-- SPDX-License-Identifier: MPL-2.0
-- try: processes
-- expect: contained
function process_message()
    if require("os").execute then escaped() end
    contained()
    return 0
end
