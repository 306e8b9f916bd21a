-- SPDX-License-Identifier: MPL-2.0
-- try: the end of the process
-- expect: contained
function process_message()
    if require("os").exit then escaped() end
    contained()
    return 0
end
