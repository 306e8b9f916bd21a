# SPDX-License-Identifier: MPL-2.0
"""Inputs of the data plane whose decoder only hekad can run: records go there undecoded, and what
comes of them is as if the input were hekad's own. Nothing is lost on the way."""
import heka
from heka_wire import TcpPeer, frames
from test_tcp_input import (Sender, check_after_kill, close_all, frame, mbufs_in_use, own_plane,
                            records, reload, send_all, send_through_a_kill, signed_frame)

pytestmark = heka.needs_namespaces

LINES = 5565
PAD = "x" * 40

INPUT = """
[lines]
type = "TcpInput"
address = "192.0.2.1:5565"
splitter = "TokenSplitter"
decoder = "first"
"""

UDP = """
[marked]
type = "UdpInput"
address = "192.0.2.1:5566"
decoder = "xml"
set_hostname = true
send_decode_failures = true
log_decode_failures = false
"""

DECODERS = """
[first]
type = "MultiDecoder"
subs = ["json", "xml"]

[json]
type = "JsonDecoder"

[xml]
type = "PayloadXmlDecoder"

[xml.xpath_map]
Number = "/r/n"

[xml.message_fields]
Type = "decoded"
Number = "%Number%"
"""

FILE = """
[file]
type = "FileOutput"
message_matcher = "Type == 'decoded' && Fields[Number] =~ /^[0-9]/"
path = "{dir}/records.txt"
encoder = "as_it_is"

[as_it_is]
type = "PayloadEncoder"
append_newlines = false
"""

MARKED = """
[failures]
type = "FileOutput"
message_matcher = "Fields[decode_failure] == TRUE"
path = "{dir}/failures.bin"
encoder = "ProtobufEncoder"
"""

STUCK = """
[stuck]
type = "TcpOutput"
message_matcher = "Type == 'decoded'"
address = "127.0.0.1:%d"
use_buffering = false
"""


def line(connection, number):
    return f"<r><n>{number}</n><c>{connection}</c>{PAD}</r>\n".encode()


def senders_of(wire, count, per_connection):
    return [Sender(wire, LINES, b"".join(line(index, n) for n in range(per_connection)))
            for index in range(count)]


def expected(count, per_connection):
    return sorted(line(connection, number).decode()
                  for connection in range(count) for number in range(per_connection))


def stage(status, name, process):
    return next(row for row in status["stages"]
                if row["stage"] == name and row["process"] == process)


def decoder_of(status, name):
    row = next(row for row in status["filters"] if row["name"] == name)
    assert row["type"] == "decoder" and row["residual"] == 0, row
    return row


def test_records_are_decoded_by_hekad(lab):
    """Over TCP and UDP; failures are marked, or counted and logged, as the input says."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, INPUT + UDP + DECODERS + FILE + MARKED)
    senders = senders_of(wire, 3, 500)
    senders[0].data = memoryview(bytes(senders[0].data) + b"neither\n")
    send_all(senders)
    close_all(senders)
    with wire.udp(port=5566) as udp:
        heka.send(udp, [line(9, 0), b"also neither"], appliance, "datagrams_text")
    wanted = sorted(expected(3, 500) + [line(9, 0).decode()])
    appliance.wait("all records", lambda status: (
        appliance.consumer("file", status)["delivered"] == len(wanted) and
        appliance.consumer("failures", status)["delivered"] == 1))
    status = appliance.settle()
    assert decoder_of(status, "lines")["delivered"] == 1501
    assert decoder_of(status, "marked")["delivered"] == 2
    assert stage(status, "text", "dataplane")["ends"] == {"text_undecoded": 1503}
    assert stage(status, "text", "hekad")["ends"] == {
        "text_messages": 1501, "decode_all_failed": 1, "decode_failures_sent": 1}
    text = appliance.status_by_program()
    assert "decoder" in text and "text_undecoded" in text
    assert records(lab) == wanted
    with open(lab.path("failures.bin"), "rb") as file:
        (failed,), _ = frames(file.read())
    assert failed["Payload"] == "also neither" and failed["Logger"] == "marked"
    assert failed["Hostname"] == heka.PEER_IP4
    appliance.stop()
    log = appliance.process.logs()
    assert "Input 'lines' error: decoding failed" in log
    assert "Input 'marked' error" not in log
    assert "Decoder of input started: lines" in log


SIGNED = """
[signed]
type = "TcpInput"
address = "192.0.2.1:5565"
splitter = "with_keys"
decoder = "either"

[with_keys]
type = "HekaFramingSplitter"

[with_keys.signer.admin_1]
hmac_key = "secret of admin"

[with_keys.signer.ops_1]
hmac_key = "secret of ops"

[either]
type = "MultiDecoder"
subs = ["xml", "ProtobufDecoder"]

[by_ops]
type = "FileOutput"
message_matcher = "TRUE"
message_signer = "ops"
path = "{dir}/records.txt"
encoder = "as_it_is"

[as_it_is]
type = "PayloadEncoder"
append_newlines = false
"""


def test_who_signed_is_known(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, SIGNED + DECODERS)
    sender = Sender(wire, LINES, signed_frame(0, b"secret of ops") + frame(0, 1) +
                    signed_frame(2, b"guessed") + signed_frame(3, b"secret of ops"))
    send_all([sender])
    close_all([sender])
    appliance.wait("all frames", lambda status: (
        appliance.consumer("by_ops", status)["delivered"] == 2 and
        decoder_of(status, "signed")["delivered"] == 3))
    status = appliance.settle()
    assert status["dataplane"]["counters"]["text_bad_hmac"] == 1
    assert stage(status, "message", "hekad")["ends"] == {"messages_committed": 2,
                                                         "messages_unmatched": 1}
    appliance.stop()
    assert [text.split()[:3] for text in records(lab)] == [["record", "0", "0"],
                                                           ["record", "0", "3"]]


def test_a_stalled_output_closes_the_windows(lab):
    """From the output over hekad's decoder to the sender."""
    wire = lab.wire()
    peer = lab.keep(TcpPeer(wire.inner, reads=False))
    appliance = lab.appliance(wire.inner, INPUT + DECODERS + FILE + STUCK % peer.port,
                              the_map=heka.core_map(lane_mbytes=1))
    count, per_connection = 4, 40_000
    senders = senders_of(wire, count, per_connection)

    def is_stalled():
        counters = appliance.counters()
        return counters["messages_staged"] > 0 and counters["tcp_bytes_held"] > 0
    send_all(senders, is_stalled)
    assert any(sender.sent < len(sender.data) for sender in senders), "nobody had to wait"
    assert appliance.status()["residual"] == 0
    peer.may_read.set()
    send_all(senders)
    close_all(senders)
    wanted = expected(count, per_connection)
    appliance.wait("all records", lambda status: (
        appliance.consumer("file", status)["delivered"] == len(wanted)))
    status = appliance.settle()
    assert status["dataplane"]["counters"]["messages_lane_full"] == 0
    heka.wait_for("the port to give its mbufs back", lambda: mbufs_in_use(lab) == 0)
    appliance.stop()
    assert records(lab) == wanted
    assert len(peer.messages()) == len(wanted)


# What the decoder says about the record tells by which of the two it was decoded.
OTHER = DECODERS.replace('Type = "decoded"', 'Type = "decoded"\nBy = "other"')
BY_OTHER = """
[other]
type = "FileOutput"
message_matcher = "Fields[By] == 'other'"
path = "{dir}/other.txt"
encoder = "as_it_is"
"""


def test_reloads_and_a_killed_hekad_lose_nothing(lab):
    """While records come: decoders that change keep the connections."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, INPUT + DECODERS + FILE + BY_OTHER)
    plane = own_plane(lab, appliance)
    count, per_connection = 8, 9000
    senders = senders_of(wire, count, per_connection)
    for number in range(4):
        for sender in senders:
            sender.push()
        reload(appliance, INPUT + (OTHER, DECODERS)[number % 2] + FILE + BY_OTHER)
    appliance.wait("former decoders to be done", lambda status: len(status["filters"]) == 1)
    counters = send_through_a_kill(appliance, senders, plane)
    wanted = expected(count, per_connection)
    assert counters["messages_committed"] == counters["text_undecoded"] == len(wanted)
    assert counters["messages_decoder_gone"] == 0 and counters["tcp_closed_aborted"] == 0
    appliance.stop()
    check_after_kill(lab, wanted)
    assert 0 < len(lab.read("other.txt")) < len(lab.read("records.txt"))
