# SPDX-License-Identifier: MPL-2.0
"""What Heka's own tests feed it with, through hekad (docs/compatibility.md). With HEKA_UPSTREAM, a
checkout of Heka, its files, too."""
import os
import socket

import heka
import pytest
from heka_encode import frame, message
from heka_wire import frames

UPSTREAM = os.environ.get("HEKA_UPSTREAM")
needs_upstream = pytest.mark.skipif(UPSTREAM is None, reason="HEKA_UPSTREAM: no checkout of Heka")

FILE = """
[file]
type = "FileOutput"
message_matcher = "Logger != 'hekad'"
path = "{dir}/messages.heka"
encoder = "ProtobufEncoder"
flush_interval = 20
"""

LOG = """
[logs]
type = "LogstreamerInput"
log_directory = "%s"
file_match = 'log'
%s
"""


def upstream(path):
    with open(os.path.join(UPSTREAM, path), "rb") as file:
        return file.read()


def delivered(lab, count):
    """The first `count` messages of the FileOutput, which has no more of them."""
    path = lab.path("agent", "messages.heka")

    def read():
        if not os.path.exists(path):
            return None
        with open(path, "rb") as file:
            found = frames(file.read())[0]
        return found if len(found) >= count else None
    found = heka.wait_for(f"{count} messages", read, 30)
    assert len(found) == count
    return found


def write_log(lab, data, mode="wb"):
    os.makedirs(lab.path("logs"), exist_ok=True)
    with open(lab.path("logs", "log"), mode) as file:
        file.write(data)


def fields(row):
    return {name: values[0] for name, values in row.get("Fields", [])}


def own_frames():
    return b"".join(frame(message({"number": number}, type="log", logger="x",
                                  payload=f"message {number} " + "x" * number))
                    for number in range(50))


FRAMES = [pytest.param(own_frames, id="own"),
          pytest.param(lambda: upstream("pipeline/testsupport/multi.dat"), id="upstream",
                       marks=needs_upstream)]


@pytest.mark.parametrize("make", FRAMES)
def test_a_stream_of_frames_goes_on_after_its_end(lab, make):
    """Half of 50 frames, which ends within one; then the rest: each once, in order."""
    data = make()
    wanted = frames(data)[0]
    half = len(data) // 2
    first, rest = frames(data[:half])
    assert len(wanted) == 50 and 20 < len(first) < 40 and rest, "the half ends within a frame"
    write_log(lab, data[:half])
    agent = lab.agent("agent", LOG % (lab.path("logs"), """
splitter = "HekaFramingSplitter"
decoder = "ProtobufDecoder"
""") + FILE)
    assert [row["Uuid"] for row in delivered(lab, len(first))] == [row["Uuid"] for row in first]
    write_log(lab, data[half:], "ab")
    found = delivered(lab, 50)
    assert [(row["Uuid"], row["Payload"]) for row in found] == \
        [(row["Uuid"], row["Payload"]) for row in wanted]
    agent.settle()
    assert agent.input("logs")["bytes"] == len(data)
    agent.stop()


REGEX = """
decoder = "line"
send_decode_failures = true

[line]
type = "PayloadRegexDecoder"
timestamp_layout = "02/Jan/2006:15:04:05 -0700"
match_regex = '%s'
[line.message_fields]
%s
"""


@needs_upstream
def test_a_proxys_log_of_heka(lab):
    """Three lines do not match; of all others the captures are in the line."""
    data = upstream("plugins/testsupport/test-zeus.log")
    lines = [line for line in data.decode().split("\n") if line.strip()]
    write_log(lab, ("\n".join(lines) + "\n").encode())
    name = r"(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]*[a-zA-Z0-9])\.)*" \
           r"([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9\-]*[A-Za-z0-9])"
    agent = lab.agent("agent", LOG % (lab.path("logs"), REGEX % (
        r"(?P<Ip>([0-9]{1,3}\.){3}[0-9]{1,3}) (?P<Host>" + name + r") (?P<User>\w+) "
        r"\[(?P<Timestamp>[^\]]+)\] \"(?P<Verb>[A-X]+) (?P<Path>\/\S*) HTTP\/\d\.\d\" "
        r"(?P<Response>\d{3}) (?P<Bytes>\d+)",
        'host = "%Host%"\nip = "%Ip%"\nresponse = "%Response%"')) + FILE)
    found = delivered(lab, len(lines))
    failed = [row for row in found if "decode_failure" in fields(row)]
    assert len(failed) == 3
    for row, line in zip(found, lines):
        assert row["Payload"].rstrip("\n") == line
        if row not in failed:
            assert all(fields(row)[key] in line for key in ("host", "ip", "response"))
    agent.settle()
    agent.stop()


@needs_upstream
def test_severities_of_heka(lab):
    """Each word becomes its number; the one that is none leaves the severity as it was."""
    words = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"]
    lines = upstream("plugins/testsupport/test-severity.log").decode().split()[1::2]
    assert lines.count("BOGUS") == 1
    write_log(lab, "".join(f"severity: {line}\n" for line in lines).encode())
    agent = lab.agent("agent", LOG % (lab.path("logs"), REGEX % (
        "severity: (?P<Severity>[a-zA-Z]+)", 'Type = "severity"') + "[line.severity_map]\n" +
        "".join(f"{word} = {number}\n" for number, word in enumerate(words))) + FILE)
    found = delivered(lab, len(lines))
    assert [row["Severity"] for row in found] == \
        [words.index(line) if line in words else 7 for line in lines]
    agent.settle()
    agent.stop()


SHOP = """<shop>
  <!-- Open daily. -->
  <item id="i1" sold="true">
    <code>4006381</code>
    <title lang="en">A pencil</title>
    <maker id="M1"><?mark "no"?><name>Faber</name></maker>
    <part id="P1"><name>Lead</name><made>1999-01-01</made></part>
    <part id="P2"><name>Wood</name><made>2001-02-03</made></part>
  </item>
</shop>"""


def test_kinds_of_xpath(lab):
    """Any element, a predicate on a child, a node by its attribute anywhere, a predicate with a
    path, an axis, and a comment."""
    port = heka.free_port()
    agent = lab.agent("agent", f"""
[app]
type = "UdpInput"
address = "127.0.0.1:{port}"
decoder = "xml"

[xml]
type = "PayloadXmlDecoder"
[xml.xpath_map]
Code = "shop/*/code"
Wood = "/shop/item/part[made='2001-02-03']/name"
Lead = "/shop/item//node()[@id='P1']/name"
Title = "//item[maker/@id='M1']/title"
Comment = "/shop/item/preceding::comment()"
[xml.message_fields]
Code = "%Code%"
Wood = "%Wood%"
Lead = "%Lead%"
Title = "%Title%"
Comment = "%Comment%"
""" + FILE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(SHOP.encode(), ("127.0.0.1", port))
    assert fields(delivered(lab, 1)[0]) == {
        "Code": "4006381", "Wood": "Wood", "Lead": "Lead", "Title": "A pencil",
        "Comment": " Open daily. "}
    agent.settle()
    agent.stop()
