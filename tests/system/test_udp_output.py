# SPDX-License-Identifier: MPL-2.0
"""UdpOutput to sockets of the test: each net, where it sends from, what is too large, and peers
that are slow or away."""
import os
import socket
import subprocess

import heka
from process import wait_for

FROM = """
[UdpInput]
net = "unixgram"
address = "{dir}/in.sock"
splitter = "TokenSplitter"
[PayloadEncoder]
append_newlines = false
"""


def output(name, **options):
    rows = "\n".join(f'{key} = {value!r}' if isinstance(value, int) else f'{key} = "{value}"'
                     for key, value in options.items())
    return f"""
[{name}]
type = "UdpOutput"
message_matcher = "TRUE"
encoder = "PayloadEncoder"
{rows}
"""


def receiver(family, address):
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.bind(address)
    made.settimeout(30)
    return made


def send_lines(agent, lines):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(os.path.join(agent.folder, "in.sock"))
        for line in lines:
            sender.send(line.encode() + b"\n")


# [option UdpOutput.address] [option UdpOutput.net] [option UdpOutput.local_address]
# [option UdpOutput.max_message_size]
def test_nets(lab):
    """Datagrams, whole, where they belong, and from where."""
    four = {name: receiver(socket.AF_INET, ("127.0.0.1", 0)) for name in ("plain", "four", "small")}
    six = receiver(socket.AF_INET6, ("::1", 0))
    path, abstract = lab.path("out.sock"), f"heka-{os.getpid()}-udp"
    unix = receiver(socket.AF_UNIX, path)
    hidden = receiver(socket.AF_UNIX, "\0" + abstract)
    local = heka.free_port()
    mine = lab.path("mine.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as old:
        old.bind(mine)  # left behind by somebody who was killed
    port = {name: made.getsockname()[1] for name, made in [*four.items(), ("six", six)]}
    agent = lab.agent("agent", FROM + "".join([
        output("plain", address=f"127.0.0.1:{port['plain']}",
               local_address=f"127.0.0.1:{local}"),
        output("four", net="udp4", address=f"localhost:{port['four']}"),
        output("six", net="udp6", address=f"[::1]:{port['six']}"),
        output("path", net="unixgram", address=path, local_address=mine),
        output("hidden", net="unixgram", address="@" + abstract,
               local_address=f"@{abstract}-from"),
        output("small", address=f"127.0.0.1:{port['small']}", max_message_size=512)]))
    lines = ["one", "x" * 600, "x" * 511, "three"]
    send_lines(agent, lines)
    for made in (four["plain"], four["four"], six, unix, hidden):
        assert [made.recv(65536).decode() for _ in lines] == [line + "\n" for line in lines]
    assert [len(four["small"].recv(65536)) for _ in range(3)] == [4, 512, 6]
    agent.wait("the books", lambda status: agent.consumer("small", status)["ends"])
    status = agent.settle()
    assert agent.consumer("small", status)["ends"] == {"too_large": 1}
    assert "Message has exceeded allowed UDP data size: 601 > 512" in agent.process.output("err")
    send_lines(agent, ["last"])
    assert four["plain"].recvfrom(100) == (b"last\n", ("127.0.0.1", local))
    assert unix.recvfrom(100) == (b"last\n", mine)
    assert hidden.recvfrom(100) == (b"last\n", f"\0{abstract}-from".encode())
    agent.stop()
    assert not os.path.exists(mine)


def test_peers_that_are_away(lab):
    """A UNIX socket that is not there, and then is slow, loses nothing; that nobody listens to UDP
    is counted."""
    path, port = lab.path("later.sock"), heka.free_port()
    agent = lab.agent("agent", FROM + output("unix", net="unixgram", address=path) +
                      output("udp", address=f"127.0.0.1:{port}"))
    lines = [f"line {index}" for index in range(2000)]
    send_lines(agent, lines[:1000])
    wait_for("the error", lambda: "later.sock: No such file" in agent.process.output("err"))
    unix = receiver(socket.AF_UNIX, path)
    send_lines(agent, lines[1000:])
    assert [unix.recv(100).decode() for _ in lines] == [line + "\n" for line in lines]
    status = agent.settle()
    assert agent.consumer("udp", status)["delivered"] == 2000
    assert 0 < agent.consumer("udp", status)["plugin"]["refused"] <= 2000
    agent.stop()


def test_refusals(lab):
    """What -check says."""
    config = lab.path("bad.toml")

    def check(**options):
        with open(config, "w", encoding="ascii") as file:
            file.write(f'[hekad]\nbase_dir = "{lab.path("base")}"\n[PayloadEncoder]\n' +
                       output("out", **options))
        return subprocess.run([heka.HEKAD, "-check", "-config", config], capture_output=True,
                              text=True, check=False, timeout=60).stderr

    assert "Maximum message size can't be smaller than 512 bytes." in check(
        address="127.0.0.1:1", max_message_size=511)
    assert "allowed udp, udp4, udp6, unixgram" in check(address="127.0.0.1:1", net="tcp")
    assert "local_address: found 'x', allowed HOST:PORT" in check(address="127.0.0.1:1",
                                                                   local_address="x")
    assert "address" in check()
