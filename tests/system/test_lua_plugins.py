# SPDX-License-Identifier: MPL-2.0
"""The Lua library in hekad: plugins by their names below share_dir."""
import json
import os
import socket

import heka
import sandbox

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sandbox", "lua")

SECTIONS = """
[log]
type = "UdpInput"
address = "127.0.0.1:%d"
decoder = "nginx"
send_decode_failures = true

[nginx]
type = "SandboxDecoder"
filename = "lua_decoders/nginx_access.lua"
[nginx.config]
type = "access"
log_format = '$remote_addr "$request" $status $body_bytes_sent'

[statuses]
type = "SandboxFilter"
filename = "lua_filters/http_status.lua"
message_matcher = "Type == 'access'"
ticker_interval = 1
[statuses.config]
rows = 3
sec_per_row = 3600

[influx]
type = "SandboxEncoder"
filename = "lua_encoders/schema_influx_line.lua"
[influx.config]
skip_fields = "request remote_addr"
tag_fields = "Type"
timestamp_precision = "h"

[lines]
type = "FileOutput"
message_matcher = "Type == 'access'"
path = "{dir}/lines.txt"
encoder = "influx"
flush_interval = 20

[graphs]
type = "FileOutput"
message_matcher = "Type == 'heka.sandbox-output'"
path = "{dir}/graphs.txt"
encoder = "PayloadEncoder"
flush_interval = 20

[PayloadEncoder]
"""


def share_dir(lab):
    """A folder as `cmake --install` makes it."""
    folder = lab.path("share")
    os.mkdir(folder)
    for kind in ("decoders", "encoders", "filters", "modules"):
        os.symlink(os.path.realpath(os.path.join(LIBRARY, kind)),
                   os.path.join(folder, "lua_" + kind))
    return folder


def test_a_log_becomes_lines_for_influxdb_and_a_graph(lab):
    port = heka.free_port()
    agent = lab.agent("agent", SECTIONS % port, options={"share_dir": share_dir(lab)})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for status in (200, 200, 404, 503):
            line = f'192.0.2.7 "GET / HTTP/1.1" {status} 17'
            sender.sendto(line.encode(), ("127.0.0.1", port))
    agent.wait("the lines", lambda status: sandbox.output(lab, "lines.txt").count("\n") == 8)
    lines = [line.rsplit(" ", 1)[0] for line in sandbox.output(lab, "lines.txt").splitlines()]
    assert lines.count("status,Type=access value=200.000000") == 2
    assert lines.count("body_bytes_sent,Type=access value=17.000000") == 4

    def graph():
        head, _, rows = sandbox.output(lab, "graphs.txt").rpartition("}]}\n")
        return head, rows

    agent.wait("the graph", lambda status: "nan\t2\tnan\t1\t1\tnan\n" in graph()[1])
    header = json.loads(graph()[0].splitlines()[-1] + "}]}")
    assert header["rows"] == 3 and header["column_info"][3]["name"] == "HTTP_400"
    sandbox.assert_books(agent)
