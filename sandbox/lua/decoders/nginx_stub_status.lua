-- SPDX-License-Identifier: MPL-2.0
--
-- nginx_stub_status - the page of nginx's stub_status module to a message with the fields
-- connections, accepts, handled, requests, reading, writing, waiting. Options: type, payload_keep.
local lpeg = require "lpeg"
local grammar_decoder = require "grammar_decoder"

local blanks = lpeg.S" \n\t"^0
local function number(name) return blanks * lpeg.Cg(lpeg.R"09"^1 / tonumber, name) end

local page = "Active connections:" * number"connections" * blanks
    * "server accepts handled requests" * number"accepts" * number"handled" * number"requests"
    * blanks * "Reading:" * number"reading" * blanks * "Writing:" * number"writing"
    * blanks * "Waiting:" * number"waiting"

process_message = grammar_decoder.new(read_config("type") or "nginx_stub_status", lpeg.Ct(page))
