-- SPDX-License-Identifier: MPL-2.0
-- try: files
-- expect: contained
function process_message()
    if require("os").remove or os.rename or os.tmpname then escaped() end
    contained()
    return 0
end
