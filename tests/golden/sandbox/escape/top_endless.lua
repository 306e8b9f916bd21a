-- SPDX-License-Identifier: MPL-2.0
-- try: endless loop while it is loaded
-- expect: Init() instruction_limit exceeded
while true do end
