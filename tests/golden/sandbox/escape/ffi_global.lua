-- SPDX-License-Identifier: MPL-2.0
-- try: C from Lua
-- expect: contained
function process_message()
    if ffi then escaped() end
    contained()
    return 0
end
