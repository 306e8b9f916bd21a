-- SPDX-License-Identifier: MPL-2.0
-- try: a module that is bytecode
-- expect: contained
function process_message()
    for _, name in ipairs({"bytecode"}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
