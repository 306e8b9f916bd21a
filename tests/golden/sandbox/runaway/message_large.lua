-- SPDX-License-Identifier: MPL-2.0
-- try: a message larger than the limit
-- expect: output_limit exceeded
function process_message()
    inject_message({Payload = ("x"):rep(70000)})
    return 0
end
