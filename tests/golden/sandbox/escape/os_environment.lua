-- SPDX-License-Identifier: MPL-2.0
-- try: the process environment and locale
-- expect: contained
function process_message()
    if require("os").getenv or os.setlocale then escaped() end
    contained()
    return 0
end
