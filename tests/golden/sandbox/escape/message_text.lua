-- SPDX-License-Identifier: MPL-2.0
-- try: bytes that are no message
-- expect: inject_message() protobuf unmarshal failed
function process_message()
    inject_message("not a message at all")
    return 0
end
