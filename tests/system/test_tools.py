# SPDX-License-Identifier: MPL-2.0
"""heka-flood, heka-inject and heka-cat with a hekad between them: what was sent is what is counted,
on every stage."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading

import heka
from heka_wire import frames

BIN = os.path.dirname(heka.HEKAD)
KEY = "4865ey9urgkidls xtb0[7lf9rzcivthkm"
TOTAL = re.compile(r"^(\w+): (\d+)$", re.MULTILINE)
PROCESSED = re.compile(r"^Processed: (\d+), matched: (\d+) messages$", re.MULTILINE)

AGENT = """
[TcpInput]
address = "127.0.0.1:{tcp}"
splitter = "signed"

[UdpInput]
address = "127.0.0.1:{udp}"
splitter = "signed"
decoder = "ProtobufDecoder"

[ProtobufDecoder]

[signed]
type = "HekaFramingSplitter"

[signed.signer.flood_1]
hmac_key = "{key}"

[everything]
type = "FileOutput"
message_matcher = "TRUE"
path = "{{dir}}/everything.bin"
encoder = "ProtobufEncoder"

[authentic]
type = "FileOutput"
message_matcher = "TRUE"
message_signer = "flood"
path = "{{dir}}/authentic.bin"
encoder = "ProtobufEncoder"
"""

QUEUED = """
[TcpInput]
address = "127.0.0.1:{tcp}"

[TcpOutput]
message_matcher = "TRUE"
address = "127.0.0.1:{nobody}"
"""

FLOOD = """
[default]
ip_address = "127.0.0.1:{port}"
sender = "{sender}"
num_messages = {count}
{more}

[default.signer]
name = "flood"
hmac_hash = "sha1"
version = 1
hmac_key = "{key}"
"""


def start(lab):
    tcp, udp = heka.free_port(socket.SOCK_STREAM), heka.free_port()
    return lab.agent("agent", AGENT.format(tcp=tcp, udp=udp, key=KEY)), tcp, udp


def tool(name, *arguments, status=0, text=""):
    """(stdout, stderr) of a tool that ends with that exit status."""
    done = subprocess.run([os.path.join(BIN, name), *map(str, arguments)], input=text,
                          capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == status, f"{name}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout, done.stderr


def flood_config(lab, port, count, more, sender):
    path = lab.path("flood.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(FLOOD.format(port=port, count=count, more=more, sender=sender, key=KEY))
    return path


def flood(lab, port, count, more, sender="tcp"):
    """{kind: messages} that heka-flood says it has sent."""
    path = flood_config(lab, port, count, more, sender)
    out, err = tool("heka-flood", "-config", path)
    assert err == ""
    assert f"{count} messages sent; {count} messages delivered" in out
    sent = {name: int(number) for name, number in TOTAL.findall(out)}
    sent.pop("bytes")
    assert sum(sent.values()) == count
    return sent


def counted(path, *options):
    out, err = tool("heka-cat", "-format", "count", *options, path)
    assert out == ""
    assert "Corrupt" not in err and "Error" not in err
    processed, matched = PROCESSED.search(err).groups()
    return int(processed), int(matched)


def settle(agent):
    """Its status with nothing under way; every stage has to balance."""
    status = agent.settle()
    heka.assert_balanced(status)
    return status


SHARES = """signed_percentage = 40
signed_corrupt_percentage = 25
corrupt_percentage = 15
oversized_percentage = 7.5
"""


def check_flood(lab, more, count):
    """Over TCP: each kind ends in its own counter, and what is good arrives, once."""
    agent, tcp, _ = start(lab)
    sent = flood(lab, tcp, count, SHARES + more)
    assert all(sent.values()), sent
    agent.wait("the end of the connection", lambda status: agent.input(
        "TcpInput", status)["connections"] == 1 and agent.input(
            "TcpInput", status)["connections_open"] == 0)
    status = settle(agent)
    agent.stop()
    good = sent["good"] + sent["signed"]
    ends = agent.stage("text", status)["ends"]
    ends.pop("text_garbage")  # in pieces, as the bytes came
    assert ends == {"text_messages": good + sent["corrupt_message"],
                    "text_bad_hmac": sent["signed_corrupt"],
                    "text_bad_header": sent["corrupt_header"], "text_too_large": sent["oversized"]}
    assert agent.stage("message", status)["ends"]["messages_malformed"] == sent["corrupt_message"]
    everything, authentic = lab.path("agent", "everything.bin"), lab.path("agent", "authentic.bin")
    assert counted(everything) == (good, good)
    assert counted(everything, "-match", "Type == 'hekabench'") == (good, good)
    assert counted(everything, "-match", "Type != 'hekabench'") == (good, 0)
    assert counted(authentic) == (sent["signed"], sent["signed"])
    out, _ = tool("heka-cat", "-format", "json", everything)
    rows = [json.loads(line) for line in out.split("\n")[:-1]]
    assert len({row["Uuid"] for row in rows}) == len(rows) == good
    return rows


def test_flood(lab):
    rows = check_flood(lab, "", 4000)
    assert {row["Severity"] for row in rows} == {6}


def test_flood_of_all_sizes(lab):
    rows = check_flood(lab, "variable_size_messages = true\nascii_only = true\nseed = 7", 600)
    assert {row["Logger"] for row in rows} == {"flood"}
    sizes = {len(row["Payload"].split(" - ", 1)[1]) for row in rows}
    assert sizes == {0, 1024, 2048}


def test_flood_of_datagrams(lab):
    """A datagram that is damaged takes no other one with it."""
    agent, _, udp = start(lab)
    sent = flood(lab, udp, 200, "corrupt_percentage = 30\nmessage_interval = \"100us\"",
                 sender="udp")
    agent.wait("all datagrams",
               lambda status: agent.input("UdpInput", status)["datagrams"] == 200)
    status = settle(agent)
    agent.stop()
    assert agent.stage("text", status)["ends"] == {
        "text_messages": sent["good"] + sent["corrupt_message"],
        "text_bad_header": sent["corrupt_header"],
        "text_garbage": sent["corrupt_start"] + sent["corrupt_header"]}
    assert agent.stage("message", status)["ends"]["messages_malformed"] == sent["corrupt_message"]
    good = counted(lab.path("agent", "everything.bin"))
    assert good == (sent["good"], sent["good"])


def test_cat_of_damaged_files(lab):
    """What heka-cat takes out of a damaged file it takes again from its own output; every byte is
    a frame's or is reported."""
    agent, tcp, _ = start(lab)
    sent = flood(lab, tcp, 300, "ascii_only = true")
    agent.wait("all messages", lambda status: agent.stage("text", status)["in"] == 300)
    settle(agent)
    agent.stop()
    with open(lab.path("agent", "everything.bin"), "rb") as file:
        whole = file.read()
    size = len(whole) // sent["good"]
    assert size * sent["good"] == len(whole)
    data = b"\x1e garbage" + whole[:100 * size] + whole[100 * size + 7:-3]
    damaged, repaired = lab.path("damaged.bin"), lab.path("repaired.bin")
    with open(damaged, "wb") as file:
        file.write(data)
    out, err = tool("heka-cat", "-format", "heka", "-output", repaired, damaged)
    assert out == ""
    processed, matched = PROCESSED.search(err).groups()
    assert "Corruption detected at offset: 0 bytes: 9\n" in err
    assert "Incomplete message at the end" in err
    assert counted(repaired) == (int(matched), int(matched))
    with open(repaired, "rb") as file:
        found, rest = frames(file.read())
    assert rest == b"" and len(found) == int(matched) == int(processed) == 298
    assert tool("heka-cat", "-output", damaged, damaged, status=4)[1].endswith(
        "is an input, too\n")


def test_inject(lab):
    agent, tcp, _ = start(lab)
    heka_address = f"127.0.0.1:{tcp}"
    tool("heka-inject", "-heka", heka_address, "-type", "deploy", "-logger", "ci", "-severity", 3,
         "-payload", "web 1.2", "-pid", 77, "-hostname", "build", "EnvVersion=9",
         "Fields[rows]=20", "Fields[good]=TRUE", "Fields[text]=a b")
    tool("heka-inject", "-heka", heka_address, "-json", "-",
         text='{"Uuid": "11111111-2222-4333-8444-555555555555", "Timestamp": 5, "Type": "one"}\n'
              '{"Timestamp": 6, "Type": "two"}\n')
    agent.wait("the messages", lambda status: agent.stage("text", status)["in"] == 3)
    settle(agent)
    agent.stop()
    path = lab.path("agent", "everything.bin")
    out, err = tool("heka-cat", "-format", "json", "-match", "Fields[rows] > 19", path)
    assert PROCESSED.search(err).groups() == ("3", "1")
    row = json.loads(out)
    fields = {field["name"]: field["values"] for field in row.pop("Fields")}
    assert fields == {"rows": [20], "good": [True], "text": ["a b"]}
    assert row.pop("Uuid")[14] == "4" and row.pop("Timestamp") > 1 << 60
    assert row == {"Type": "deploy", "Logger": "ci", "Severity": 3, "Payload": "web 1.2",
                   "EnvVersion": "9", "Pid": 77, "Hostname": "build"}
    text = tool("heka-cat", "-match", "Type == 'deploy'", path)[0]
    assert ":Type: deploy\n:Hostname: build\n:Pid: 77\n" in text
    rows = [json.loads(line) for line in
            tool("heka-cat", "-format", "json", "-match", "Type != 'deploy'", path)[0].splitlines()]
    assert [(row["Type"], row["Timestamp"]) for row in rows] == [("one", 5), ("two", 6)]
    err = tool("heka-inject", "-heka", heka_address, "-payload", "x", status=1)[1]
    assert err == f"{heka_address}: cannot connect: Connection refused\n"


def test_queue_files(lab):
    """What waits in a disk queue can be read."""
    tcp, nobody = heka.free_port(socket.SOCK_STREAM), heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", QUEUED.format(tcp=tcp, nobody=nobody))
    sent = flood(lab, tcp, 500, "variable_size_messages = true")
    agent.wait("all messages", lambda status: agent.stage("text", status)["in"] == 500)
    folder = os.path.join(agent.folder, "base", "output_queue", "TcpOutput")
    heka.wait_for("the queue", lambda: sum(
        counted(os.path.join(folder, name))[0] for name in os.listdir(folder)
        if name.endswith(".log")) == sent["good"], processes=[agent.process])
    agent.stop()


def test_flood_until_interrupted(lab):
    agent, tcp, _ = start(lab)
    path = flood_config(lab, tcp, 0, "", "tcp")
    sender = lab.process("flood", [os.path.join(BIN, "heka-flood"), "-config", path])
    agent.wait("some messages", lambda status: agent.stage("text", status)["in"] > 1000)
    assert sender.stop(signal.SIGINT) == 0
    sent = int(re.search(r"^good: (\d+)$", sender.output(), re.MULTILINE).group(1))
    settle(agent)
    agent.stop()
    assert counted(lab.path("agent", "everything.bin")) == (sent, sent)


class Resetting:
    """A TCP server that resets its first connection, and reads the second one to its end."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.got = bytearray()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self):
        first, _ = self.listener.accept()
        first.recv(1)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        second, _ = self.listener.accept()
        with second:
            while data := second.recv(1 << 20):
                self.got += data

    def start(self):
        self.thread.start()

    def close(self):
        self.listener.close()


BIG = "static_message_size = 60000\n"  # more than sockets hold


def test_flood_reconnects(lab):
    peer = lab.keep(Resetting())
    path = flood_config(lab, peer.port, 500, BIG + "reconnect_on_error = true\n"
                        "reconnect_interval = 0", "tcp")
    out, err = tool("heka-flood", "-config", path)
    assert "reconnects: 1 " in out
    assert "Error sending message" in err
    peer.thread.join(60)
    with open(lab.path("received.bin"), "wb") as file:
        file.write(peer.got)
    received, matched = counted(lab.path("received.bin"))
    assert 0 < received == matched <= 500


def test_flood_says_that_it_failed(lab):
    peer = lab.keep(Resetting())
    path = flood_config(lab, peer.port, 500, BIG, "tcp")
    out, err = tool("heka-flood", "-config", path, status=1)
    assert err.startswith(f"127.0.0.1:{peer.port}: cannot send: ")
    sent = int(re.search(r"^good: (\d+)$", out, re.MULTILINE).group(1))
    failed = int(re.search(r"^failed: (\d+)$", out, re.MULTILINE).group(1))
    assert sent < 500 and failed > 0


def test_tail(lab):
    """heka-cat shows what is written to the file, until it is told to end."""
    agent, tcp, _ = start(lab)
    path = lab.path("agent", "everything.bin")
    cat = lab.process("cat", [os.path.join(BIN, "heka-cat"), "-tail", "-format", "json", path])
    for index in range(2):
        flood(lab, tcp, 10, f"seed = {index}")
        heka.wait_for("the messages", lambda: cat.output().count("\n") == 10 * (index + 1),
                      processes=[cat])
    assert cat.stop() == 0
    assert PROCESSED.search(cat.output("err")).groups() == ("20", "20")
    agent.stop()
