-- SPDX-License-Identifier: MPL-2.0
-- try: control of the collector
-- expect: contained
function process_message()
    if collectgarbage or gcinfo then escaped() end
    contained()
    return 0
end
