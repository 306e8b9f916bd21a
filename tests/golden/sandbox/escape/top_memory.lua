-- SPDX-License-Identifier: MPL-2.0
-- try: memory while it is loaded
-- expect: Init() not enough memory
local t = {}
for i = 1, 1e9 do t[i] = {i} end
