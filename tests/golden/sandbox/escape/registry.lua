-- SPDX-License-Identifier: MPL-2.0
-- try: the registry under names that some hosts use
-- expect: contained
function process_message()
    if _R or _LOADED or _PRELOAD then escaped() end
    contained()
    return 0
end
