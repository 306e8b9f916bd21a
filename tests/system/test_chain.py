# SPDX-License-Identifier: MPL-2.0
"""Agent to hekad and agent to appliance, signed and queued on disk, with TLS where there is any:
the network is cut again and again, and no message is lost. HEKA_SOAK=7 is the long run of 20
cuts."""
import os
import random
import re
import socket
import struct
import threading
import time

import heka
from certificates import Authority
from heka_wire import TcpPeer
from process import wait_for

pytestmark = heka.needs_namespaces

CUTS = 3 * int(os.environ.get("HEKA_SOAK", "1"))
SEED = int(os.environ.get("HEKA_SEED", "20261121"))
KEY = "4865ey9urgkidls xtb0[7lf9rzcivthkm"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets

AGENT = """
[UdpInput]
net = "unixgram"
address = "{{dir}}/in.sock"
splitter = "TokenSplitter"

[with_tls]
type = "TcpOutput"
message_matcher = "TRUE"
address = "127.0.0.1:{relay}"
use_tls = true
[with_tls.tls]
root_cafile = "{pki}/ca.pem"
cert_file = "{pki}/client.pem"
key_file = "{pki}/client.key"
[with_tls.signer]
name = "agent"
hmac_key = "{key}"
version = 2

[without]
type = "TcpOutput"
message_matcher = "TRUE"
address = "192.0.2.1:5565"
[without.signer]
name = "agent"
hmac_key = "{key}"
version = 2
"""

SIGNED = """
[signed]
type = "HekaFramingSplitter"
[signed.signer.agent_2]
hmac_key = "%s"
[signed.signer.other_1]
hmac_key = "other"

[lines]
type = "FileOutput"
message_matcher = "Type == 'UdpInput'"
message_signer = "agent"
path = "{dir}/lines.txt"
encoder = "PayloadEncoder"
flush_interval = 50
[PayloadEncoder]
append_newlines = false
""" % KEY

SECOND = SIGNED + """
[TcpInput]
address = "127.0.0.1:%d"
splitter = "signed"
use_tls = true
[TcpInput.tls]
cert_file = "%s/server.pem"
key_file = "%s/server.key"
client_auth = "RequireAndVerifyClientCert"
client_cafile = "%s/ca.pem"
"""

APPLIANCE = SIGNED + """
[TcpInput]
address = "192.0.2.1:5565"
splitter = "signed"
"""


class Pair:
    """A relayed connection: a thread for each direction."""

    def __init__(self, one, other):
        self.ends, self.is_cut = (one, other), threading.Event()
        for end in self.ends:
            end.settimeout(0.05)
        self.threads = [threading.Thread(target=self.copy, args=pair, daemon=True)
                        for pair in ((one, other), (other, one))]
        for thread in self.threads:
            thread.start()
        threading.Thread(target=self.end, daemon=True).start()

    def wait(self, call):
        """What `call` returns, or None when it is cut or broken."""
        while not self.is_cut.is_set():
            try:
                return call()
            except TimeoutError:
                pass
            except OSError:
                self.is_cut.set()
        return None

    def copy(self, source, sink):
        while data := self.wait(lambda: source.recv(1 << 16)):
            while data:
                sent = self.wait(lambda rest=data: sink.send(rest))
                if sent is None:
                    return
                data = data[sent:]
        self.wait(lambda: sink.shutdown(socket.SHUT_WR))

    def end(self):
        """In order, or by a reset: then what is held here is gone."""
        for thread in self.threads:
            thread.join()
        for end in self.ends:
            if self.is_cut.is_set():
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.close()


class Relay:
    """A TCP relay that can be cut."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.listener = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target, self.is_cut, self.pairs = None, False, []

    def start(self):
        """For Lab.keep()."""
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            other = self.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                if self.is_cut:
                    raise OSError
                other.connect(("127.0.0.1", self.target))
                self.pairs.append(Pair(one, other))
            except OSError:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.close()

    def cut(self, is_cut):
        self.is_cut = is_cut
        for pair in self.pairs if is_cut else []:
            pair.is_cut.set()

    def close(self):
        self.cut(True)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Load(threading.Thread):
    """Numbered lines at a pace, until told to end."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.connect(path)
        self.sent, self.over = 0, threading.Event()

    def run(self):
        while not self.over.is_set():
            for _ in range(20):
                self.socket.send(b"line %d %s\n" % (self.sent, b"x" * (self.sent % 500)))
                self.sent += 1
            time.sleep(0.002)

    def end(self):
        self.over.set()
        self.join()
        self.socket.close()
        return self.sent


def numbers(path):
    with open(path, encoding="ascii") as file:
        return [int(number) for number in re.findall(r"^line (\d+) x*$", file.read(), re.M)]


# [option outputs.signer] [option signer.name] [option signer.hmac_key] [option signer.version]
# [option TcpOutput.use_tls] [option TcpInput.use_tls]
def test_cuts(lab):
    """Everything arrives in both places, authentic; the books balance everywhere."""
    chance = random.Random(SEED)
    authority = Authority(lab.path("pki"))
    authority.make("server")
    authority.make("client")
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, APPLIANCE)
    relay = lab.keep(Relay(wire.outer))
    relay.target = heka.free_port(socket.SOCK_STREAM)
    pki = authority.folder
    second = lab.agent("second", SECOND % (relay.target, pki, pki, pki), namespace=wire.outer)
    agent = lab.agent("agent", AGENT.format(relay=relay.port, pki=pki, key=KEY),
                      namespace=wire.outer)
    load = Load(os.path.join(agent.folder, "in.sock"))
    load.start()
    for _ in range(CUTS):
        time.sleep(chance.uniform(0.1, 0.4))
        relay.cut(True)
        wire.outer.run("ip", "link", "set", "peer0", "down")
        time.sleep(chance.uniform(0.05, 0.3))
        wire.outer.run("ip", "link", "set", "peer0", "up")
        relay.cut(False)
    count = load.end()
    paths = [os.path.join(hekad.folder, "lines.txt") for hekad in (second, appliance)]
    wait_for("all lines in both places", lambda: all(
        len(set(numbers(path))) == count for path in paths), 120, [
            agent.process, second.process, appliance.process])
    status = agent.settle()
    resent = {name: agent.consumer(name, status)["plugin"]["resent"]
              for name in ("with_tls", "without")}
    assert resent["with_tls"] > 0
    assert agent.consumer("with_tls", status)["plugin"]["connections"] > CUTS / 2
    for hekad in (second, appliance):
        hekad.settle()
    agent.stop()
    for hekad in (second, appliance):
        hekad.settle()
        hekad.stop()
    found = [numbers(path) for path in paths]
    for name, lines in zip(("with_tls", "without"), found):
        assert set(lines) == set(range(count))
        assert len(lines) <= count + resent[name]


FORGED = """
[UdpInput]
net = "unixgram"
address = "{dir}/in.sock"
splitter = "TokenSplitter"
""" + "".join(f"""
[{name}]
type = "TcpOutput"
message_matcher = "TRUE"
address = "192.0.2.1:5565"
use_buffering = false
{signer}
""" for name, signer in [
    ("good", f'[good.signer]\nname = "agent"\nhmac_key = "{KEY}"\nversion = 2'),
    ("other", '[other.signer]\nname = "other"\nhmac_key = "other"\nversion = 1'),
    ("nobody", ""),
    ("forged", '[forged.signer]\nname = "agent"\nhmac_key = "wrong"\nversion = 2'),
    ("old", f'[old.signer]\nname = "agent"\nhmac_key = "{KEY}"\nversion = 1')])


# [option outputs.message_signer] [option outputs.signer]
def test_signers_in_the_data_plane(lab):
    """Only what the signer signed is the signer's; forged frames are counted."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, APPLIANCE + """
[all]
type = "FileOutput"
message_matcher = "Type == 'UdpInput'"
path = "{dir}/all.txt"
encoder = "PayloadEncoder"
flush_interval = 50
""")
    agent = lab.agent("agent", FORGED, namespace=wire.outer)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(os.path.join(agent.folder, "in.sock"))
        for index in range(100):
            sender.send(b"line %d \n" % index)

    def stage(status):
        return next(stage for stage in status["stages"]
                    if stage["stage"] == "text" and stage["process"] != "hekad")
    appliance.wait("all frames", lambda status: stage(status)["in"] == 500)
    status = appliance.settle()
    assert stage(status)["ends"] == {"text_messages": 300, "text_bad_hmac": 100,
                                     "text_unknown_signer": 100}
    agent.stop()
    appliance.stop()
    assert sorted(numbers(lab.path("lines.txt"))) == list(range(100))
    assert sorted(numbers(lab.path("all.txt"))) == sorted(list(range(100)) * 3)


OWING = """
[UdpInput]
net = "unixgram"
address = "{dir}/in.sock"
splitter = "TokenSplitter"

[TcpOutput]
message_matcher = "TRUE"
address = "127.0.0.1:%d"
encoder = "PayloadEncoder"
use_buffering = false
keep_alive = %s
[PayloadEncoder]
append_newlines = false
"""


def test_what_is_owed_outlives_hekad(lab):
    """The other side stands still when a reload replaces the output, and when hekad ends: what it
    has taken and may not have read goes to the next connection, in order."""
    stuck = TcpPeer(heka.Here, reads=False)
    agent = lab.agent("agent", OWING % (stuck.port, "false"))
    folder = os.path.join(agent.folder, "base", "output_owed", "TcpOutput")
    torn = f"{1:020}"

    def send(numbers_of):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(os.path.join(agent.folder, "in.sock"))
            for index in numbers_of:
                sender.send(b"line %d \n" % index)
        agent.settle()

    send(range(100))
    agent.rewrite(OWING % (stuck.port, "true"))
    assert agent.ask("reload")["ok"]
    wait_for("the old output's file", lambda: os.path.isdir(folder) and os.listdir(folder), 15)
    send(range(100, 200))
    agent.stop()
    assert "the last 100 messages" in agent.process.output()
    with open(os.path.join(folder, torn), "wb") as file:
        file.write(b"HEKAOWED1\n\x01\x00\x00")  # torn
    stuck.close()
    peer = lab.keep(TcpPeer(heka.Here, port=stuck.port))
    agent.start()
    found = re.compile(rb"^line (\d+) $", re.M)
    wait_for("all lines", lambda: len(peer.streams) > 0 and len(
        set(found.findall(bytes(peer.streams[0])))) == 200)
    agent.settle()
    wait_for("no more files", lambda: os.listdir(folder) == [torn + ".bad"], 20)
    send(range(200, 210))
    agent.stop()
    lines = [int(number) for number in found.findall(bytes(peer.streams[0]))]
    assert list(dict.fromkeys(lines)) == list(range(210))
    assert len(peer.streams) == 1
