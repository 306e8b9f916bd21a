# SPDX-License-Identifier: MPL-2.0
"""Lines over UDP to files, the log and TCP, through every encoder: byte for byte."""
import re

import heka
from heka_wire import TcpPeer, frames

pytestmark = heka.needs_namespaces

CONFIG = """
[app]
type = "UdpInput"
address = "192.0.2.1:5514"
splitter = "TokenSplitter"
set_hostname = true

[raw]
type = "UdpInput"
address = "192.0.2.1:5515"

[payloads]
type = "FileOutput"
message_matcher = "Logger == 'app'"
path = "{dir}/payloads.txt"
encoder = "PayloadEncoder"

[rst]
type = "FileOutput"
message_matcher = "Logger == 'app' && Payload =~ /^7/"
path = "{dir}/rst.txt"
encoder = "RstEncoder"

[framed]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/framed.bin"
encoder = "ProtobufEncoder"

[unframed]
type = "FileOutput"
message_matcher = "Logger == 'raw'"
path = "{dir}/unframed.bin"
encoder = "ProtobufEncoder"
use_framing = false

[log]
type = "LogOutput"
message_matcher = "Logger == 'raw'"
encoder = "PayloadEncoder"

[tcp]
type = "TcpOutput"
message_matcher = "Type == 'app' || Type == 'raw'"
address = "127.0.0.1:%d"

[PayloadEncoder]
append_newlines = false

[RstEncoder]
"""

RST = re.compile(r"""
:Timestamp: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \+0000 UTC
:Type: app
:Hostname: 192\.0\.2\.2
:Pid: 0
:Uuid: [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}
:Logger: app
:Payload: (.*
)
:EnvVersion:\x20
:Severity: 7

""")

LINES = [f"{index} {'x' * (index % 90)} é €\n" for index in range(1000)]
RAW = [b"<13>one datagram", b"two\nlines\n", "naïve – text".encode(), b" " * 1400]


def text_datagrams():
    return [("".join(LINES[first:first + 10])).encode() for first in range(0, len(LINES), 10)]


def test_every_output_gets_every_byte(lab):
    wire = lab.wire()
    peer = lab.keep(TcpPeer(wire.inner))
    appliance = lab.appliance(wire.inner, CONFIG % peer.port)
    heka.send(wire.udp(port=5514), text_datagrams(), appliance, "datagrams_text")
    heka.send(wire.udp(port=5515), RAW, appliance, "datagrams_text")
    total = len(LINES) + len(RAW)
    status = appliance.settle()
    delivered = {row["name"]: row["delivered"] for row in status["consumers"]}
    sevens = [line for line in LINES if line.startswith("7")]
    assert delivered == {"payloads": len(LINES), "rst": len(sevens), "framed": total,
                         "unframed": len(RAW), "log": len(RAW), "tcp": total}
    heka.wait_for("the TCP peer's messages", lambda: len(peer.messages()) >= total)
    check_messages(peer.messages())
    appliance.stop()
    check_files(lab, sevens)
    log = appliance.process.output()
    for payload in RAW:
        assert re.search(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d " + re.escape(payload.decode()), log,
                         re.M), f"{payload!r} is not in the log"


def check_messages(messages):
    found = [(message["Logger"], message["Payload"], message.get("Hostname"))
             for message in messages]
    assert found == ([("app", line, heka.PEER_IP4) for line in LINES] +
                     [("raw", payload.decode(), None) for payload in RAW])
    assert len({message["Uuid"] for message in messages}) == len(messages)
    assert all(message["Severity"] == 7 and message["Type"] == message["Logger"]
               for message in messages)
    times = [message["Timestamp"] for message in messages]
    assert times == sorted(times)


def check_files(lab, sevens):
    assert lab.read("payloads.txt") == "".join(LINES)
    with open(lab.path("framed.bin"), "rb") as file:
        messages, rest = frames(file.read())
    assert rest == b""
    check_messages(messages)
    with open(lab.path("unframed.bin"), "rb") as file:
        unframed = file.read()
    assert all(payload in unframed for payload in RAW) and unframed[0] == 0x0A
    text = lab.read("rst.txt")
    assert RST.findall(text) == sevens
    assert RST.sub("", text) == ""


PLAIN = """
[app]
type = "UdpInput"
address = ":5514"
splitter = "bars"

[bars]
type = "TokenSplitter"
delimiter = "|"
deliver_incomplete_final = true

[payloads]
type = "FileOutput"
message_matcher = "Type == 'app'"
path = "{dir}/payloads.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
"""


def test_tokens_and_newlines(lab):
    """A splitter with options of its own; PayloadEncoder adds a newline to each."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, PLAIN)
    heka.send(wire.udp(port=5514), [b"a|b||c"], appliance, "datagrams_text")
    heka.send(wire.udp(heka.PORT_IP6, 5514), [b"six|", b"rest"], appliance, "datagrams_text")
    appliance.settle()
    appliance.stop()
    assert lab.read("payloads.txt") == "a|\nb|\n|\nc\nsix|\nrest\n"
