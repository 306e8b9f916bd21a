-- SPDX-License-Identifier: MPL-2.0
-- try: bytecode of a function
-- expect: contained
function process_message()
    if ("").dump or require("string").dump then escaped() end
    contained()
    return 0
end
