-- SPDX-License-Identifier: MPL-2.0
local M = {}
function M.answer() return 42 end
return M
