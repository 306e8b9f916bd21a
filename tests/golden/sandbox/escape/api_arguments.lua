-- SPDX-License-Identifier: MPL-2.0
-- try: arguments that the functions of the host do not expect
-- expect: contained
function process_message()
    local values = {0/0, -1, 1e300, "x", "", {}, function() end, true, "Fields[", "Fields[]", "Fields[a", 1LL}
    for _, f in ipairs({read_message, read_config, inject_payload, inject_message, add_to_payload, read_next_field}) do
        pcall(f)
        for _, a in ipairs(values) do
            pcall(f, a)
            pcall(f, "Fields[number]", a, a)
            pcall(f, "Fields[number]", a, 0, a, a)
        end
    end
    contained()
    return 0
end
