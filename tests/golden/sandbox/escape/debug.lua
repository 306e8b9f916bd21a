-- SPDX-License-Identifier: MPL-2.0
-- try: the debug library
-- expect: contained
function process_message()
    if debug then escaped() end
    contained()
    return 0
end
