-- SPDX-License-Identifier: MPL-2.0
-- try: the standard output
-- expect: contained
function process_message()
    if print then escaped() end
    contained()
    return 0
end
