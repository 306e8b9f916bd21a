# SPDX-License-Identifier: MPL-2.0
"""Streams into hekad without a data plane: framed messages, signed, unsigned and forged; lines with
a decoder; garbage; and a chain of two hekads."""
import hashlib
import hmac
import os
import random
import re
import signal
import socket
import time
import uuid

import heka
from heka_wire import TcpPeer, frames

KEY = b"4865ey9urgkidls xtb0[7lf9rzcivthkm"


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def member(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(payload, kind="TEST"):
    return (member(1, uuid.uuid4().bytes) + member(2, time.time_ns()) + member(3, kind) +
            member(6, payload))


def frame(data, signer=None, key=KEY, hashed=hashlib.sha1, proof=None):
    header = member(1, len(data))
    if signer is not None:
        if hashed is hashlib.sha1:
            header += member(3, 1)
        header += member(4, signer) + member(5, 0)
        if proof is None:
            proof = hmac.new(key, data, hashed).digest()
        if proof:
            header += member(6, proof)
    return b"\x1e" + bytes([len(header)]) + header + b"\x1f" + data


def dial(port):
    return socket.create_connection(("127.0.0.1", port))


FRAMED = """
[TcpInput]
address = "127.0.0.1:%d"
splitter = "signed"

[signed]
type = "HekaFramingSplitter"

[signed.signer.test_0]
hmac_key = "%s"

[everything]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/everything.bin"
encoder = "ProtobufEncoder"

[signed_only]
type = "FileOutput"
message_matcher = "TRUE"
message_signer = "test"
path = "{dir}/signed.bin"
encoder = "ProtobufEncoder"
"""


def payloads(lab, name):
    with open(lab.path("agent", name), "rb") as file:
        found, rest = frames(file.read())
    assert rest == b""
    return [found_message["Payload"] for found_message in found]


def test_signatures(lab):
    port = heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", FRAMED % (port, KEY.decode()))
    with dial(port) as stream:
        for index in range(500):
            stream.sendall(frame(message(f"unsigned {index}")))
            stream.sendall(frame(message(f"signed {index}"), "test"))
            stream.sendall(frame(message(f"md5 {index}"), "test", hashed=hashlib.md5))
            stream.sendall(frame(message("forged"), "test", key=b"wrong"))
            stream.sendall(frame(message("unknown"), "mallory"))
            stream.sendall(frame(message("claims"), "test", proof=b""))
    status = agent.wait("the end of the connection", lambda status: agent.input(
        "TcpInput", status)["connections_open"] == 0 and agent.stage("text", status)["in"] >= 3000)
    status = agent.settle()
    assert agent.stage("text", status)["ends"] == {
        "text_messages": 1500, "text_bad_hmac": 500, "text_unknown_signer": 500,
        "text_no_hmac": 500}
    agent.stop()
    assert sorted(payloads(lab, "everything.bin")) == sorted(
        f"{name} {index}" for name in ("unsigned", "signed", "md5") for index in range(500))
    assert payloads(lab, "signed.bin") == [f"{name} {index}" for index in range(500)
                                           for name in ("signed", "md5")]


LINES = r"""
[lines]
type = "TcpInput"
net = "unix"
address = "{dir}/in.sock"
splitter = "TokenSplitter"
decoder = "levels"
send_decode_failures = true

[levels]
type = "PayloadRegexDecoder"
match_regex = '^level=(?P<Level>\w+) (?P<Text>.*)'

[levels.message_fields]
Type = "level"
Level = "%Level%"

[errors]
type = "FileOutput"
message_matcher = "Type == 'level' && Fields[Level] == 'error'"
path = "{dir}/errors.txt"
encoder = "PayloadEncoder"

[failures]
type = "FileOutput"
message_matcher = "Fields[decode_failure] == TRUE"
path = "{dir}/failures.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""


def test_decoder(lab):
    agent = lab.agent("agent", LINES)
    errors = [f"level=error {index}\n" for index in range(1000)]
    noise = [f"nothing {index}\n" for index in range(100)]
    text = "".join(errors + noise + ["level=info fine\n"] * 50 + ["no end"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.connect(os.path.join(agent.folder, "in.sock"))
        stream.sendall(text.encode())
    agent.wait("the end of the connection",
               lambda status: agent.stage("text", status)["in"] == 1151)
    status = agent.settle()
    assert agent.stage("text", status)["ends"] == {
        "text_messages": 1050, "decode_failures_sent": 100, "text_incomplete": 1}
    agent.stop()
    assert lab.read("agent", "errors.txt") == "".join(errors)
    assert lab.read("agent", "failures.txt") == "".join(noise)
    assert "Input 'lines' error: decoding failed" in agent.process.output("err") + \
        agent.process.output()


def test_garbage(lab):
    """Noise between good frames, many connections, all cut anywhere: every good frame is found."""
    port = heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", FRAMED % (port, KEY.decode()))
    noise = random.Random(7)
    sent = []
    for connection in range(20):
        data = bytearray()
        for index in range(50):
            data += bytes(noise.randrange(256) for _ in range(noise.randrange(40)))
            # An 0x1E right in front could swallow the frame: it is noise, so it may not be there.
            data = data.replace(b"\x1e", b"\x00") if index == 0 else data
            sent.append(f"{connection} {index}")
            data += b"\x00" * 300 + frame(message(sent[-1]))
        with dial(port) as stream:
            at = 0
            while at < len(data):
                size = noise.randrange(1, 2000)
                stream.sendall(data[at:at + size])
                at += size
    agent.wait("the end of all connections", lambda status: agent.input(
        "TcpInput", status)["connections"] == 20 and agent.input(
            "TcpInput", status)["connections_open"] == 0)
    status = agent.settle()
    counters = agent.input("TcpInput", status)
    assert counters["connections_reset"] == 0
    agent.stop()
    found = payloads(lab, "everything.bin")
    assert set(sent) <= set(found)
    assert len(found) == len(sent)


SENDER = """
[UdpInput]
net = "unixgram"
address = "{dir}/in.sock"
splitter = "TokenSplitter"

[TcpOutput]
message_matcher = "TRUE"
address = "127.0.0.1:%d"
use_buffering = false
"""


def test_chain(lab):
    """Lines to one hekad, messages from it to another one, which is restarted on the way: all of
    them arrive, those that were under way perhaps twice."""
    port = heka.free_port(socket.SOCK_STREAM)
    second = lab.agent("agent", FRAMED % (port, KEY.decode()))
    first = lab.agent("sender", SENDER % port)

    def send(numbers):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(os.path.join(first.folder, "in.sock"))
            for index in numbers:
                sender.send(b"line %d\n" % index)

    send(range(5000))
    second.wait("some messages", lambda status: second.stage("text", status)["in"] > 0)
    second.stop()
    send(range(5000, 10000))
    second.start()
    first.wait("all lines", lambda status: first.input("UdpInput", status)["datagrams"] == 10000)
    first.settle()
    first.stop()  # its output ends the connection in order: all of it has been read
    second.settle()
    second.stop()
    with open(lab.path("agent", "everything.bin"), "rb") as file:
        found, rest = frames(file.read())
    assert rest == b""
    assert {row["Payload"] for row in found} == {f"line {index}\n" for index in range(10000)}
    assert {(row["Type"], row["Logger"]) for row in found} == {("UdpInput", "UdpInput")}
    assert os.path.getsize(lab.path("agent", "signed.bin")) == 0


KILLED = """
[TcpInput]
address = "127.0.0.1:%d"

[FileOutput]
message_matcher = "TRUE"
path = "{dir}/lines.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""


def test_chain_with_kills(lab):
    """The second hekad is killed again and again under load: what it had read is in its lanes, or
    is sent again. (A line that it was just writing is torn, and there once more.)"""
    port = heka.free_port(socket.SOCK_STREAM)
    second = lab.agent("agent", KILLED % port)
    first = lab.agent("sender", SENDER % port)
    kills, batch = 5 * int(os.environ.get("HEKA_SOAK", "1")), 1000
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(os.path.join(first.folder, "in.sock"))
        for kill in range(kills):
            for index in range(kill * batch, (kill + 1) * batch):
                sender.send(b"line %d\n" % index)
            second.process.stop(signal.SIGKILL)
            second.start()
    count = kills * batch
    first.wait("all lines", lambda status: first.input("UdpInput", status)["datagrams"] == count)
    first.settle()
    first.stop()
    second.settle()
    second.stop()
    found = re.findall(r"line (\d+)\n", lab.read("agent", "lines.txt"))
    missing = set(range(count)) - {int(number) for number in found}
    assert not missing, sorted(missing)[:10]


def test_stop_with_a_blocked_output(lab):
    """hekad ends although nothing can be delivered, and says what is left."""
    peer = lab.keep(TcpPeer(heka.Here, reads=False))
    port = heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", (FRAMED % (port, KEY.decode())) + f"""
[TcpOutput]
message_matcher = "TRUE"
address = "127.0.0.1:{peer.port}"
use_buffering = false
""")
    big = frame(message("x" * 30000))
    with dial(port) as stream:
        stream.settimeout(2)
        sent = 0
        try:
            while True:
                sent += stream.send(big)
        except TimeoutError:
            pass
        assert sent > 1 << 20
        agent.stop()
