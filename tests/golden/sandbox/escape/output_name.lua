-- SPDX-License-Identifier: MPL-2.0
-- try: the function that has another name at the top level
-- expect: contained
function process_message()
    if output then escaped() end
    contained()
    return 0
end
