-- SPDX-License-Identifier: MPL-2.0
-- try: another plugin's name on a message
-- expect: contained
function process_message()
    inject_message({Type = "x", Logger = "root", Hostname = "other"})
    contained()
    return 0
end
