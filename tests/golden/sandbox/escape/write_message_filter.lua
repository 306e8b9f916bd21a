-- SPDX-License-Identifier: MPL-2.0
-- try: write_message in a filter
-- expect: contained
function process_message()
    if write_message then escaped() end
    contained()
    return 0
end
