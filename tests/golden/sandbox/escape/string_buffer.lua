-- SPDX-License-Identifier: MPL-2.0
-- try: buffers read bytecode and tables
-- expect: contained
function process_message()
    if require("string").buffer or string.buffer then escaped() end
    contained()
    return 0
end
