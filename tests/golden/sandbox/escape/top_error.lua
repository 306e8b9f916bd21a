-- SPDX-License-Identifier: MPL-2.0
-- try: an error while it is loaded
-- expect: Init() 
error("not today")
