# SPDX-License-Identifier: MPL-2.0
# [option outputs.message_signer]
"""TcpInput on the appliance's port: the kernel is the client, our own TCP the server. What it has
acknowledged arrives once, whatever happens behind it."""
import hashlib
import hmac
import json
import os
import selectors
import signal
import socket
import struct

import pytest

import heka
from heka_wire import TcpPeer

pytestmark = heka.needs_namespaces

SOAK = int(os.environ.get("HEKA_SOAK", "1"))
LINES, FRAMES = 5565, 5566
PAD = "x" * 80
TOTAL = 12_000 * SOAK  # records of a run, over all connections

INPUTS = """
[lines]
type = "TcpInput"
address = "192.0.2.1:5565"
splitter = "TokenSplitter"
decoder = ""

[frames]
type = "TcpInput"
address = "192.0.2.1:5566"
"""

FILE = """
[file]
type = "FileOutput"
message_matcher = "Payload =~ /^record/"
path = "{dir}/records.txt"
encoder = "as_it_is"

[as_it_is]
type = "PayloadEncoder"
append_newlines = false
"""

STUCK = """
[stuck]
type = "TcpOutput"
message_matcher = "TRUE"
address = "127.0.0.1:%d"
use_buffering = false
"""


def line(connection, number):
    return f"record {connection} {number} {PAD}\n".encode()


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def frame(connection, number):
    payload = line(connection, number)
    message = (b"\x0a\x10" + struct.pack(">QQ", connection, number) + b"\x10\x02" +
               b"\x32" + varint(len(payload)) + payload)
    header = b"\x08" + varint(len(message))
    return b"\x1e" + bytes([len(header)]) + header + b"\x1f" + message


class Sender:
    """A connection from outside; `data` goes as fast as it is taken."""

    def __init__(self, wire, port, data):
        self.socket = wire.outer.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.connect((heka.PORT_IP4, port))
        self.socket.setblocking(False)
        self.data, self.sent = memoryview(data), 0

    def push(self):
        """False when all is sent."""
        try:
            self.sent += self.socket.send(self.data[self.sent:self.sent + 65536])
        except BlockingIOError:
            pass
        return self.sent < len(self.data)

    def close(self):
        self.socket.close()


def send_all(senders, is_enough=lambda: False):
    """Until all is sent, or is_enough(), which is asked whenever nothing moves for a while."""
    with selectors.DefaultSelector() as selector:
        for sender in senders:
            if sender.sent < len(sender.data):
                selector.register(sender.socket, selectors.EVENT_WRITE, sender)
        while selector.get_map():
            ready = selector.select(0.2)
            if not ready and is_enough():
                return
            for key, _ in ready:
                if not key.data.push():
                    selector.unregister(key.fileobj)


def make_senders(wire, count, per_connection, first=0):
    """Half of them send lines, the others frames."""
    out = []
    for index in range(first, first + count):
        port, make = ((LINES, line), (FRAMES, frame))[index % 2]
        out.append(Sender(wire, port, b"".join(make(index, n) for n in range(per_connection))))
    return out


def expected(count, per_connection):
    return sorted(line(connection, number).decode()
                  for connection in range(count) for number in range(per_connection))


def records(lab):
    return sorted(lab.read("records.txt").splitlines(keepends=True))


def close_all(senders):
    for sender in senders:
        sender.close()


def mbufs_in_use(lab):
    """Of all pools, by DPDK's own books."""
    found = []
    for folder, _, names in os.walk(lab.path("runtime")):
        found += [os.path.join(folder, name) for name in names if name == "dpdk_telemetry.v2"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(found[0])
        client.recv(1 << 14)
        client.send(b"/hekaline/mbufs")
        return sum(json.loads(client.recv(1 << 18))["/hekaline/mbufs"].values())


def check_end(lab, appliance, wanted):
    """All is delivered, each record once; the books balance, no connection and no mbuf is left."""
    appliance.wait("the connections to end", lambda status: (
        status["dataplane"]["counters"]["tcp_opened"] ==
        sum(status["dataplane"]["counters"][name] for name in (
            "tcp_closed_fin", "tcp_closed_reset", "tcp_closed_aborted"))))
    status = appliance.settle()
    assert status["dataplane"]["counters"]["messages_lane_full"] == 0
    heka.wait_for("the port to give its mbufs back", lambda: mbufs_in_use(lab) == 0)
    appliance.stop()
    assert records(lab) == wanted


@pytest.mark.parametrize("count", [1, 100, 500])
def test_each_record_once(lab, count):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, INPUTS + FILE)
    per_connection = TOTAL // count
    senders = make_senders(wire, count, per_connection)
    send_all(senders)
    close_all(senders)
    wanted = expected(count, per_connection)
    appliance.wait("all records", lambda status: (
        appliance.consumer("file", status)["delivered"] >= len(wanted)))
    assert appliance.counters()["tcp_opened"] == count
    check_end(lab, appliance, wanted)


def test_a_stalled_output_closes_the_windows(lab):
    """Nothing is lost, and UDP beside it is counted when it is."""
    wire = lab.wire()
    peer = lab.keep(TcpPeer(wire.inner, reads=False))
    appliance = lab.appliance(wire.inner, INPUTS + FILE + STUCK % peer.port,
                              the_map=heka.core_map(lane_mbytes=1))
    count, per_connection = 10, 20_000
    senders = make_senders(wire, count, per_connection)

    def is_stalled():
        counters = appliance.counters()
        return counters["messages_staged"] > 0 and counters["tcp_bytes_held"] > 0
    send_all(senders, is_stalled)
    assert any(sender.sent < len(sender.data) for sender in senders), "nobody had to wait"
    status = appliance.status()
    heka.assert_balanced(status)
    assert status["dataplane"]["counters"]["messages_lane_full"] == 0
    peer.may_read.set()
    send_all(senders)
    close_all(senders)
    check_end(lab, appliance, expected(count, per_connection))
    assert len(peer.messages()) == count * per_connection


def own_plane(lab, appliance):
    """The data plane's pid; it is killed at the end if it is still there."""
    plane = appliance.status()["dataplane"]["pid"]
    lab.stack.callback(lambda: os.path.exists(f"/proc/{plane}") and os.kill(plane, signal.SIGKILL))
    return plane


def send_through_a_kill(appliance, senders, plane):
    """Kills hekad and starts it again while they send; the data plane's counters at the end."""
    for sender in senders:
        sender.push()
    appliance.process.stop(signal.SIGKILL)
    for sender in senders:
        sender.push()
    appliance.start()
    assert appliance.status()["dataplane"]["pid"] == plane, "the data plane goes on"
    send_all(senders)
    close_all(senders)
    appliance.wait("all bytes", lambda status: (
        status["dataplane"]["counters"]["tcp_closed_fin"] == len(senders)))
    status = appliance.settle()
    return status["dataplane"]["counters"]


def check_after_kill(lab, wanted):
    found = records(lab)
    gaps, torn = set(wanted) - set(found), set(found) - set(wanted)
    assert not gaps, "duplicates may be there, gaps not"
    assert len(torn) <= 1, "the write that the kill may have cut"


def test_hekad_killed_while_records_come(lab):
    """What was acknowledged is delivered by the next hekad."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, INPUTS + FILE)
    plane = own_plane(lab, appliance)
    count, per_connection = 20, 4000
    senders = make_senders(wire, count, per_connection)
    counters = send_through_a_kill(appliance, senders, plane)
    wanted = expected(count, per_connection)
    assert counters["messages_committed"] == len(wanted)
    appliance.stop()
    check_after_kill(lab, wanted)


SIGNED = """
[signed]
type = "TcpInput"
address = "192.0.2.1:5566"
splitter = "with_keys"

[with_keys]
type = "HekaFramingSplitter"

[with_keys.signer.ops_1]
hmac_key = "secret of ops"

[file]
type = "FileOutput"
message_matcher = "TRUE"
message_signer = "ops"
path = "{dir}/records.txt"
encoder = "as_it_is"

[as_it_is]
type = "PayloadEncoder"
append_newlines = false
"""


def signed_frame(number, key):
    message = frame(0, number).partition(b"\x1f")[2]
    proof = hmac.new(key, message, hashlib.sha1).digest()
    header = (b"\x08" + varint(len(message)) + b"\x18\x01\x22\x03ops\x28\x01\x32" +
              bytes([len(proof)]) + proof)
    return b"\x1e" + bytes([len(header)]) + header + b"\x1f" + message


def test_signed_frames_and_their_keys(lab):
    """message_signer sees who signed; the plan with the keys is not for everybody, and a reload
    reads it nevertheless."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, SIGNED)
    assert os.stat(lab.path("run", "plan.json")).st_mode & 0o777 == 0o640
    reply = appliance.ask("reload")
    assert reply["ok"], reply
    data = b"".join((signed_frame(0, b"secret of ops"), frame(0, 1), signed_frame(2, b"guessed"),
                     signed_frame(3, b"secret of ops")))
    sender = Sender(wire, FRAMES, data)
    send_all([sender])
    sender.close()
    appliance.wait("all frames", lambda status: (
        status["dataplane"]["counters"]["tcp_closed_fin"] == 1))
    counters = appliance.counters()
    assert counters["text_messages"] == 3 and counters["text_bad_hmac"] == 1
    check_end(lab, appliance, [line(0, 0).decode(), line(0, 3).decode()])


OTHER = INPUTS.replace("5566", "5567")


def reload(appliance, sections):
    head = open(appliance.config, encoding="utf-8").read().split("[lines]")[0]
    with open(appliance.config, "w", encoding="utf-8") as file:
        file.write(head + sections.replace("{dir}", appliance.folder))
    reply = appliance.ask("reload")
    assert reply["ok"], reply


def test_a_reload_keeps_connections(lab):
    """In the middle of a record; those of a listener that changes are reset and counted."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, INPUTS + FILE)
    kept = Sender(wire, LINES, b"".join(line(0, number) for number in range(1000)))
    changed = Sender(wire, FRAMES, frame(1, 0) + frame(1, 1)[:20])
    half = len(kept.data) // 2 + 13
    kept.socket.setblocking(True)
    kept.socket.sendall(kept.data[:half])
    send_all([changed])
    appliance.wait("what was sent", lambda status: (
        status["dataplane"]["counters"]["tcp_bytes_delivered"] == half + len(changed.data)))
    for number in range(5):
        reload(appliance, OTHER + FILE.replace("^record", ("^rec", "^record")[number % 2]))
    counters = appliance.counters()
    assert counters["tcp_closed_aborted"] == 1 and counters["tcp_opened"] == 2
    with pytest.raises(ConnectionResetError):
        changed.socket.setblocking(True)
        changed.socket.recv(1)
    kept.socket.sendall(kept.data[half:])
    close_all([kept, changed])
    wanted = sorted([line(1, 0).decode()] + expected(1, 1000))
    check_end(lab, appliance, wanted)


GROUPS = """
[lines]
type = "TcpInput"
address = "192.0.2.1:5565"
splitter = "groups"
decoder = ""

[groups]
type = "PatternGroupingSplitter"
grouping = "^record"

[file]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/records.txt"
encoder = "as_it_is"

[as_it_is]
type = "PayloadEncoder"
append_newlines = true
"""


def test_a_pause_ends_a_group_of_lines(lab):
    """What comes later begins another one; the half of a line waits for the other half."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, GROUPS)
    sender = Sender(wire, LINES, b"record 1\nrecord 2\nrecor")
    sender.socket.setblocking(True)
    sender.socket.sendall(sender.data)
    appliance.wait("the group", lambda status: (
        appliance.consumer("file", status)["delivered"] == 1))
    sender.socket.sendall(b"d 3\nrecord 4\n")
    appliance.wait("the other", lambda status: (
        appliance.consumer("file", status)["delivered"] == 2))
    sender.close()
    check_end(lab, appliance, sorted(["record 1\n", "record 2\n", "\n", "record 3\n",
                                      "record 4\n", "\n"]))
