-- SPDX-License-Identifier: MPL-2.0
-- try: what a module that is built in could lead to
-- expect: contained
function process_message()
    for _, name in ipairs({"lpeg", "cjson", "circular_buffer", "hyperloglog", "bloom_filter", "cuckoo_filter", "sax",
        "struct"}) do
        local module = require(name)
        if _G[name] ~= module or require(name) ~= module then escaped() end
        for k, v in pairs(module) do
            if type(v) == "table" and v == _G then escaped() end
            if k == "loadlib" or k == "open" then escaped() end
        end
    end
    for _, name in ipairs({"socket", "socket.core", "ssl", "lxp", "posix", "ffi", "jit.util"}) do
        if pcall(require, name) then escaped() end
    end
    contained()
    return 0
end
