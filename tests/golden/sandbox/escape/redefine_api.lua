-- SPDX-License-Identifier: MPL-2.0
-- try: functions that the host would take from the globals
-- expect: contained
function process_message()
    string = require("string")
    string.format = function() escaped() end
    string.gsub = string.format
    tostring, type, error = string.format, string.format, string.format
    pcall(error_not_there)
    contained()
    return 0
end
