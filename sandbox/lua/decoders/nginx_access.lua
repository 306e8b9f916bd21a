-- SPDX-License-Identifier: MPL-2.0
--
-- nginx_access - lines of nginx's access log to messages. Options: log_format (nginx's), and those
-- of the module access_log.
local access_log = require "access_log"
local clf = require "common_log_format"

process_message = access_log.decoder(clf.build_nginx_grammar(read_config("log_format")))
