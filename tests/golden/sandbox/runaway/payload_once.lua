-- SPDX-License-Identifier: MPL-2.0
-- try: payload larger than the limit
-- expect: output_limit exceeded
function process_message()
    inject_payload("txt", "x", ("x"):rep(70000))
    return 0
end
