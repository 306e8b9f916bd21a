-- SPDX-License-Identifier: MPL-2.0
local M = {}
setfenv(1, M)
answer = 42
return M
