-- SPDX-License-Identifier: MPL-2.0
-- try: the environment of the functions of the host
-- expect: contained
function process_message()
    for _, f in ipairs({pcall, setfenv, inject_payload, tostring, function() end}) do
        if pcall(setfenv, f, {}) then escaped() end
    end
    contained()
    return 0
end
