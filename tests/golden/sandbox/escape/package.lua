-- SPDX-License-Identifier: MPL-2.0
-- try: loaders with paths of their own
-- expect: contained
function process_message()
    if package or module then escaped() end
    contained()
    return 0
end
