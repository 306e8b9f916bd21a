# SPDX-License-Identifier: MPL-2.0
# [option StatsdInput.address] [option StatsdInput.net] [option StatsdInput.connections_max]
# [option StatsdInput.stat_accum_name] [option StatsdInput.dialects]
# [option StatsdInput.sender_quota]
"""StatsdInput of hekad over TCP, UNIX streams and UNIX datagrams; who sends and who is refused in
the status; late timestamps; and accumulators that a reload changes."""
import os
import socket
import struct
import subprocess
import time

import heka
from heka_wire import TcpPeer

STREAMS = """
[tcp]
type = "StatsdInput"
net = "tcp"
address = "127.0.0.1:%d"
connections_max = 3
dialects = ["dogstatsd"]
stat_accum_name = "sums"

[stream]
type = "StatsdInput"
net = "unix"
address = "{dir}/stream.sock"
stat_accum_name = "sums"

[datagram]
type = "StatsdInput"
net = "unixgram"
address = "{dir}/datagram.sock"
stat_accum_name = "sums"
sender_quota = 5

[udp]
type = "StatsdInput"
address = "127.0.0.1:%d"
sender_quota = 50
stat_accum_name = "sums"

[sums]
type = "StatAccumInput"
ticker_interval = %d
prefix_names_max = 20

[CarbonOutput]
message_matcher = "Type == 'heka.statmetric'"
address = "127.0.0.1:%d"
tcp_keep_alive = true
"""

LINE_MAX = 16384


def carbon_lines(peer):
    return [line.split() for stream in list(peer.streams)
            for line in bytes(stream).decode().splitlines()]


def counts(peer, name):
    found = f"stats.counters.{name}.count"
    return sum(float(value) for key, value, _ in carbon_lines(peer) if key == found)


def stream_to(address):
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    out = socket.socket(family, socket.SOCK_STREAM)
    out.connect(address)
    return out


def start(lab, interval=1):
    peer = lab.keep(TcpPeer(heka.Here))
    tcp, udp = heka.free_port(socket.SOCK_STREAM), heka.free_port()
    agent = lab.agent("agent", STREAMS % (tcp, udp, interval, peer.port))
    return agent, peer, tcp, udp


def test_streams(lab):
    """Every whole line counts once, wherever reads and connections cut; cut ones are counted."""
    agent, peer, port, _ = start(lab)
    whole = b"".join(b"hits:%d|c\n" % (index % 7) for index in range(3000))
    total = sum(index % 7 for index in range(3000))
    for address in (("127.0.0.1", port), os.path.join(agent.folder, "stream.sock")):
        with stream_to(address) as out:
            for at in range(0, len(whole), 997):
                out.sendall(whole[at:at + 997])
            out.sendall(b"\n\nbad\nhits:1|c")  # the last one without a line feed
    with stream_to(("127.0.0.1", port)) as out:
        out.sendall(b"long:" + b"1:" * LINE_MAX + b"1|c\nhits:1|c\n")
        # Reset in the middle of a line: what is there of it is no number.
        out.sendall(b"hits:1|c\nhits:5000")
        agent.wait("lines", lambda status: agent.stage("line", status)["in"] == 6000 + 4 + 3)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    agent.wait("the end", lambda status: agent.input("tcp", status)["connections_open"] == 0 and
               agent.input("stream", status)["connections_open"] == 0)
    status = agent.settle()
    line = agent.stage("line", status)
    assert line["in"] == 6000 + 4 + 4
    assert line["ends"] == {"samples_counter": 6000 + 2 + 2, "statsd_no_colon": 2,
                            "statsd_line_cut": 2}
    assert agent.input("tcp", status)["connections"] == 2
    assert agent.input("tcp", status)["connections_reset"] == 1
    assert agent.input("tcp", status)["bytes"] + agent.input("stream", status)["bytes"] == \
        2 * (len(whole) + len(b"\n\nbad\nhits:1|c")) + 2 * LINE_MAX + len(b"long:1|c\n") + \
        2 * len(b"hits:1|c\n") + len(b"hits:5000")
    agent.stop()
    assert counts(peer, "hits") == 2 * total + 2 + 2
    assert not os.path.exists(os.path.join(agent.folder, "stream.sock"))


def test_bounded(lab):
    """More connections than connections_max are closed at once; one that ends makes room."""
    agent, peer, port, _ = start(lab)
    held = [stream_to(("127.0.0.1", port)) for _ in range(3)]
    agent.wait("three", lambda status: agent.input("tcp", status)["connections_open"] == 3)
    with stream_to(("127.0.0.1", port)) as out:
        assert out.recv(1) == b""
    assert agent.input("tcp", agent.status())["connections_refused"] == 1
    held.pop().close()
    agent.wait("two", lambda status: agent.input("tcp", status)["connections_open"] == 2)
    with stream_to(("127.0.0.1", port)) as out:
        out.sendall(b"hits:4|c\n")
    for out in held:
        out.sendall(b"hits:1|c\n")
        out.close()
    agent.wait("all", lambda status: agent.stage("line", status)["in"] == 3)
    agent.settle()
    agent.stop()
    assert counts(peer, "hits") == 6


def test_who_sends(lab):
    """Top talkers, quotas, refused prefixes and late timestamps, as JSON and as text."""
    agent, _, port, udp = start(lab)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.3", 0))
        for _ in range(4):
            out.sendto(b"hits:1|c\n" * 100, ("127.0.0.1", udp))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as out:
        out.bind(("127.0.0.2", 0))
        out.connect(("127.0.0.1", port))
        out.sendall(b"".join(b"many.n%d:1|c\n" % index for index in range(50)))
        out.sendall(b"old:1|c|T1000000000\nnew:1|c|T%d\nold:1|c|T-5\n" % (time.time() + 100))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(os.path.join(agent.folder, "datagram.sock"))
        out.send(b"hits:1|c\n" * 20)  # nobody's address: no quota
    agent.wait("all", lambda status: agent.stage("line", status)["in"] == 400 + 50 + 3 + 20)
    agent.wait("a flush", lambda status: status["refused_names"] != [])
    status = agent.settle()
    over = agent.stage("line", status)["ends"]["samples_over_quota"]
    # The four bursts of 100 fall into at most two seconds, or more on a slow machine.
    assert 0 < over <= 350 and over % 50 == 0
    assert status["senders"] == [
        {"process": "hekad", "input": "udp", "address": "127.0.0.3", "samples": 400,
         "over_quota": over},
        {"process": "hekad", "input": "tcp", "address": "127.0.0.2", "samples": 53,
         "over_quota": 0}]
    assert status["refused_names"] == [{"accumulator": "sums", "prefix": "many", "refused": 30,
                                        "error": 0}]
    assert status["flushes"]["timestamps"] == 3
    assert status["flushes"]["timestamps_late"] == 2
    text = subprocess.run([heka.HEKAD, "status", "-run-dir", agent.run_dir], check=True,
                          capture_output=True, text=True).stdout
    assert "127.0.0.3" in text and "127.0.0.2" in text
    assert [line.split() for line in text.splitlines() if line.startswith("  many ")] == \
        [["many", "sums", "30", "0"]]
    agent.stop()


def test_reload_hands_the_interval_on(lab):
    """A changed accumulator: one value for each series and time, and no sample is lost."""
    peer, port, sent = lab.keep(TcpPeer(heka.Here)), heka.free_port(socket.SOCK_STREAM), 0
    text = STREAMS % (port, heka.free_port(), 2, peer.port)
    agent = lab.agent("agent", text)
    with stream_to(("127.0.0.1", port)) as out:
        for round_ in range(4):
            for _ in range(200):
                out.sendall(b"hits:1|c\nload:7|g\n")
                sent += 1
            agent.wait("samples", lambda status:
                       agent.stage("line", status)["in"] == 2 * sent)
            agent.rewrite(text.replace("ticker_interval = 2", "ticker_interval = 2\n"
                                       f"percent_threshold = [{80 + round_}]"))
            assert agent.ask("reload")["ok"]
            agent.wait("the reload", lambda status, g=round_ + 2: status["generation"] == g and
                       len(status["inputs"]) == 5)
    status = agent.settle()
    assert status["residual"] == 0
    agent.stop()
    lines = carbon_lines(peer)
    assert counts(peer, "hits") == sent
    times = [when for name, _, when in lines if name == "stats.counters.hits.count"]
    ends = [when for when in times if int(when) % 2 == 0]
    assert len(ends) == len(set(ends))
    # The one that is not at the end of an interval is that of the stop.
    assert len(times) - len(ends) <= 1


def test_refused(lab):
    """What cannot be is said by -check, with the option's name."""
    path = lab.path("checked.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'[hekad]\nbase_dir = "{lab.path("base")}"\n'
                   '[a]\ntype = "StatsdInput"\nnet = "tcp"\nmax_msg_size = 512\n'
                   '[b]\ntype = "StatsdInput"\nnet = "sctp"\naddress = "127.0.0.1:1"\n'
                   '[StatAccumInput]\n')
    done = subprocess.run([heka.HEKAD, "-config", path, "-check", "-run-dir", lab.path("run")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "max_msg_size: streams have no datagrams to cut" in done.stderr
    assert "net: " in done.stderr
