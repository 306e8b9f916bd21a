-- SPDX-License-Identifier: MPL-2.0
-- try: coroutines: Heka has none
-- expect: contained
function process_message()
    if coroutine then escaped() end
    contained()
    return 0
end
