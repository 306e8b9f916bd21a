-- SPDX-License-Identifier: MPL-2.0
-- try: ffi as a module
-- expect: contained
function process_message()
    for _, name in ipairs({"ffi"}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
