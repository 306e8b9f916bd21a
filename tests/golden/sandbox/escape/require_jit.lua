-- SPDX-License-Identifier: MPL-2.0
-- try: the compiler as a module
-- expect: contained
function process_message()
    for _, name in ipairs({"jit", "jit.opt", "jit.util", "jit.profile"}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
