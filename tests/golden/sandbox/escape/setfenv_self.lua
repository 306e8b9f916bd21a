-- SPDX-License-Identifier: MPL-2.0
-- try: a new environment must not hide the limits
-- expect: contained
function process_message()
    local function inner()
        setfenv(1, {})
        return x
    end
    if inner() ~= nil or type ~= _G.type then escaped() end
    contained()
    return 0
end
