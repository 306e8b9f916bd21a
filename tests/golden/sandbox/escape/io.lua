-- SPDX-License-Identifier: MPL-2.0
-- try: files and processes
-- expect: contained
function process_message()
    if io then escaped() end
    contained()
    return 0
end
