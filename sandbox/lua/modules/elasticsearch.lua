-- SPDX-License-Identifier: MPL-2.0
--
-- elasticsearch - the line of Elasticsearch's bulk API that says where a document goes.
local cjson = require "cjson"
local interpolate = require "msg_interpolate"

local M = {}

local function filled(text, seconds)
    return text and (interpolate.interpolate_from_msg(text, seconds))
end

-- JSON of {"index": {"_index", "_type", "_id"}}, without those that are nil. The texts may have
-- "%{...}" of msg_interpolate; `ns` is the time for them, nil is now.
function M.bulkapi_index_json(index, type_name, id, ns)
    local seconds = ns and ns / 1e9
    return cjson.encode({index = {
        _index = filled(index, seconds),
        _type = filled(type_name, seconds),
        _id = filled(id, seconds),
    }})
end

return M
