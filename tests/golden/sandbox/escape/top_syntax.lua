-- SPDX-License-Identifier: MPL-2.0
-- try: text that is no Lua
-- expect: Init() 
function (
