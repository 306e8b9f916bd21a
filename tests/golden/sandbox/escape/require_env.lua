-- SPDX-License-Identifier: MPL-2.0
-- try: a module that changes the environment of its caller
-- expect: contained
function process_message()
    local before = _G
    local m = require("fenv_module")
    if _G ~= before or m.answer ~= 42 or answer ~= nil then escaped() end
    contained()
    return 0
end
