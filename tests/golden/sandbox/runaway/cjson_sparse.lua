-- SPDX-License-Identifier: MPL-2.0
-- try: cjson, sparse that would not end
-- expect: output_limit exceeded
require "cjson"
cjson.encode_sparse_array(false, 0, 0)
function process_message()
    cjson.encode({[1000000000] = 1})
    return 0
end
