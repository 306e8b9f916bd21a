-- SPDX-License-Identifier: MPL-2.0
-- try: environments of other functions
-- expect: contained
function process_message()
    if getfenv then escaped() end
    contained()
    return 0
end
