# SPDX-License-Identifier: MPL-2.0
# [option UdpInput.address] [option UdpInput.net]
# [option inputs.type] [option encoders.type] [option outputs.message_matcher]
"""hekad without a data plane: UDP and UNIX datagrams to files, statsd to Carbon, with exact counts
and balanced books; everything as an ordinary user on the loopback."""
import os
import socket
import subprocess
import threading

import heka
from heka_wire import TcpPeer

FILES = """
[lines]
type = "UdpInput"
address = "127.0.0.1:%d"
splitter = "TokenSplitter"
set_hostname = true

[path]
type = "UdpInput"
net = "unixgram"
address = "{dir}/in.sock"

[abstract]
type = "UdpInput"
net = "unixgram"
address = "@heka-agent-%d"

[out]
type = "FileOutput"
message_matcher = "Type == 'lines'"
path = "{dir}/lines.txt"
encoder = "PayloadEncoder"

[unix]
type = "FileOutput"
message_matcher = "Logger == 'path' || Logger == 'abstract'"
path = "{dir}/unix.txt"
encoder = "lf"

[PayloadEncoder]
append_newlines = false

[lf]
type = "PayloadEncoder"
"""


def udp(port):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("127.0.0.1", port))
    return out


def unix(address):
    out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    out.connect(address)
    return out


def test_datagrams_to_files(lab):
    port = heka.free_port()
    agent = lab.agent("agent", FILES % (port, os.getpid()))
    lines = [f"line {index} é\n" for index in range(5000)]
    with udp(port) as sender:
        for first in range(0, len(lines), 10):
            sender.send("".join(lines[first:first + 10]).encode())
        sender.send(b"no end")
        sender.send(b"")
    with unix(os.path.join(agent.folder, "in.sock")) as sender:
        for index in range(300):
            sender.send(b"path %d" % index)
    with unix(f"\0heka-agent-{os.getpid()}") as sender:
        for index in range(300):
            sender.send(b"abstract %d" % index)
    agent.wait("all datagrams", lambda status: agent.input("lines", status)["datagrams"] == 502 and
               agent.input("path", status)["datagrams"] == 300 and
               agent.input("abstract", status)["datagrams"] == 300)
    status = agent.settle()
    assert agent.consumer("out", status)["delivered"] == len(lines)
    assert agent.consumer("unix", status)["delivered"] == 600
    text = agent.stage("text", status)
    assert text["in"] == len(lines) + 2 + 600
    assert text["ends"] == {"text_messages": len(lines) + 600, "text_incomplete": 1,
                            "text_empty": 1}
    assert agent.input("lines", status)["socket_drops"] == 0
    agent.stop()
    assert lab.read("agent", "lines.txt") == "".join(lines)
    found = lab.read("agent", "unix.txt").splitlines()
    for name in ("path", "abstract"):
        assert [line for line in found if line.startswith(name)] == \
            [f"{name} {index}" for index in range(300)]
    assert not os.path.exists(lab.path("agent", "in.sock"))


STATSD = """
[one]
type = "StatsdInput"
address = "127.0.0.1:%d"
stat_accum_name = "sums"

[two]
type = "StatsdInput"
address = "127.0.0.1:%d"
stat_accum_name = "sums"

[sums]
type = "StatAccumInput"
ticker_interval = 1

[CarbonOutput]
message_matcher = "Type == 'heka.statmetric'"
address = "127.0.0.1:%d"
tcp_keep_alive = true
"""


def carbon_lines(peer):
    return [line.split() for stream in list(peer.streams)
            for line in bytes(stream).decode().splitlines()]


def total(lines, name):
    return sum(float(value) for found, value, _ in lines if found == name)


def test_statsd_to_carbon(lab):
    """Every sample is in exactly one flush, whichever of two inputs took it."""
    peer = lab.keep(TcpPeer(heka.Here))
    ports = [heka.free_port(), heka.free_port()]
    agent = lab.agent("agent", STATSD % (*ports, peer.port))
    sent = {"hits": 0, "misses": 0}
    for port in ports:
        with udp(port) as sender:
            for index in range(2000):
                sender.send(b"hits:3|c\nmisses:1|c|@0.5\nbad line\nload:%d|g\ntime:7|ms\n" % index)
                sent["hits"] += 3
                sent["misses"] += 2
    agent.wait("all datagrams", lambda status: sum(agent.input(name, status)["datagrams"]
                                                   for name in ("one", "two")) == 4000)
    status = agent.settle()
    line = agent.stage("line", status)
    assert line["in"] == 4000 * 5
    assert line["ends"] == {"statsd_no_colon": 4000, "samples_counter": 8000,
                            "samples_gauge": 4000, "samples_timer": 4000}
    sample = agent.stage("sample", status)
    assert sample["in"] == sample["ended"] == 16000
    agent.stop()
    lines = carbon_lines(peer)
    for name, value in sent.items():
        assert total(lines, f"stats.counters.{name}.count") == value
    assert total(lines, "stats.timers.time.count") == 4000
    flushes = [found for found in lines if found[0] == "stats.statsd.numStats"]
    assert len(flushes) >= 2  # one at the end, and one on the way at least


FLOOD = """
[in]
type = "UdpInput"
address = "127.0.0.1:%d"

[TcpOutput]
message_matcher = "TRUE"
address = "127.0.0.1:%d"
use_buffering = false

[spare]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/spare.bin"
encoder = "ProtobufEncoder"
"""


def test_flood_with_a_blocked_output(lab):
    """The lane fills, the input stops reading, the kernel drops: and says how many."""
    peer = lab.keep(TcpPeer(heka.Here, reads=False))
    port = heka.free_port()
    agent = lab.agent("agent", FLOOD % (port, peer.port))
    payload, sent = b"x" * 8000, 0
    with udp(port) as sender:
        while agent.input("in")["socket_drops"] == 0:
            for _ in range(1000):
                sender.send(payload)
            sent += 1000
            assert sent < 200000
        peer.may_read.set()
        agent.wait("every datagram to be taken or dropped", lambda status:
                   agent.input("in", status)["datagrams"] +
                   agent.input("in", status)["socket_drops"] == sent)
    status = agent.settle()
    counters = agent.input("in", status)
    assert counters["socket_drops"] > 0
    assert counters["bytes"] == counters["datagrams"] * len(payload)
    assert agent.consumer("TcpOutput", status)["delivered"] == counters["datagrams"]
    assert agent.consumer("spare", status)["delivered"] == counters["datagrams"]
    assert agent.stage("text", status)["ends"] == {"text_messages": counters["datagrams"]}
    heka.wait_for("the peer's messages", lambda: len(peer.messages()) == counters["datagrams"])
    agent.stop()


RELOADED = """
[lines]
type = "UdpInput"
net = "unixgram"
address = "{dir}/in.sock"
splitter = "TokenSplitter"
%s

[out]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/lines.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""


def test_reload_hands_the_socket_over(lab):
    """A changed input takes over its socket: nothing that is sent meanwhile is lost or doubled."""
    agent = lab.agent("agent", RELOADED % "")
    stop, sent = threading.Event(), []

    def send():
        with unix(os.path.join(agent.folder, "in.sock")) as sender:
            while not stop.is_set():
                sender.send(b"line %d\n" % len(sent))
                sent.append(len(sent))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        for index in range(5):
            agent.rewrite(RELOADED % f"ticker_interval = {index + 1}")
            assert agent.ask("reload")["ok"]
            agent.wait("the reload", lambda status, g=index + 2: status["generation"] == g and
                       len(status["inputs"]) == 1)
    finally:
        stop.set()
        thread.join()
    agent.settle()
    agent.stop()
    assert lab.read("agent", "lines.txt") == "".join(f"line {index}\n" for index in sent)


CHECKED = """
[one]
type = "UdpInput"
address = "127.0.0.1:%d"

[nowhere]
type = "TcpInput"
address = "203.0.113.77:5565"

[folder]
type = "UdpInput"
net = "unixgram"
address = "/no/such/folder/socket"
"""


def check(lab, text):
    path = lab.path("checked.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'[hekad]\nbase_dir = "{lab.path("base")}"\n{text}')
    return subprocess.run([heka.HEKAD, "-config", path, "-check", "-run-dir", lab.path("run")],
                          capture_output=True, text=True, check=False)


def test_check_of_addresses(lab):
    """-check opens what the start would open, and leaves nothing behind."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        done = check(lab, CHECKED % port)
        assert done.returncode == 1
        assert "checked.toml:10: address: 203.0.113.77:5565 cannot be listened on: " \
            "Cannot assign requested address" in done.stderr
        assert "checked.toml:15: address: /no/such/folder/socket cannot be listened on: " \
            "No such file or directory" in done.stderr
        text = f'[one]\ntype = "UdpInput"\naddress = "127.0.0.1:{port}"\n'
        done = check(lab, text)
        assert done.returncode == 1, done.stdout
        assert f"127.0.0.1:{port} cannot be listened on: Address already in use" in done.stderr
    done = check(lab, text)
    assert done.returncode == 0 and "already in use" not in done.stdout, done.stdout
    agent = lab.agent("agent", text)
    done = subprocess.run([heka.HEKAD, "-config", agent.config, "-check", "-run-dir",
                           agent.run_dir], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use" in done.stdout
    agent.stop()
    twice = text + f'[two]\ntype = "StatsdInput"\naddress = ":{port}"\n[StatAccumInput]\n'
    done = check(lab, twice)
    assert done.returncode == 1 and "'two' listens where 'one' listens already" in done.stderr
