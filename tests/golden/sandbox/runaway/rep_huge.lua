-- SPDX-License-Identifier: MPL-2.0
-- try: a string of a gigabyte
-- expect: not enough memory
function process_message()
    return #("x"):rep(1e9)
end
