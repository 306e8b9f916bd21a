-- SPDX-License-Identifier: MPL-2.0
--
-- alert - an alert as text for people: when, from which host and plugin, and what.
require "os"
require "string"
function process_message()
    local when = os.date("%FT%TZ", read_message("Timestamp") / 1e9)
    inject_payload("txt", "", string.format("Timestamp: %s\nHostname: %s\nPlugin: %s\nAlert: %s\n",
                                            when, read_message("Hostname"), read_message("Logger"),
                                            read_message("Payload")))
    return 0
end
