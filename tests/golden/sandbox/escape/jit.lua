-- SPDX-License-Identifier: MPL-2.0
-- try: the compiler would make loops that no hook sees
-- expect: contained
function process_message()
    if jit then escaped() end
    contained()
    return 0
end
