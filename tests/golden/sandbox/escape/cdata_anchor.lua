-- SPDX-License-Identifier: MPL-2.0
-- try: ffi after its table was collected
-- expect: contained
function process_message()
    for i = 1, 200 do
        local t = {}
        for j = 1, 50 do t[j] = tostring(1LL + j) .. tostring(j) end
    end
    if tostring(5LL * 5) ~= "25LL" then escaped() end
    contained()
    return 0
end
