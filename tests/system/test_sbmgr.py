# SPDX-License-Identifier: MPL-2.0
"""heka-sbmgr and heka-sbmgrload: the messages they make, signed, with TLS and without; and
heka-flood and heka-inject over TLS."""
import os
import re
import socket
import subprocess

import pytest

import heka
from certificates import Authority
from heka_wire import frames

BIN = os.path.dirname(heka.HEKAD)
KEY = "4865ey9urgkidls xtb0[7lf9rzcivthkm"
SCRIPT = 'function process_message() return 0 end\n'
SECTION = '[Tally]\ntype = "SandboxFilter"\nmessage_matcher = "TRUE"\nfilename = ""\n'

AGENT = """
[plain]
type = "TcpInput"
address = "127.0.0.1:{plain}"
splitter = "signed"

[tls]
type = "TcpInput"
address = "127.0.0.1:{tls}"
splitter = "signed"
use_tls = true
[tls.tls]
cert_file = "{pki}/server.pem"
key_file = "{pki}/server.key"
client_auth = "RequireAndVerifyClientCert"
client_cafile = "{pki}/ca.pem"

[signed]
type = "HekaFramingSplitter"
[signed.signer.operator_3]
hmac_key = "{key}"

[authentic]
type = "FileOutput"
message_matcher = "TRUE"
message_signer = "operator"
path = "{{dir}}/authentic.bin"
encoder = "ProtobufEncoder"

[others]
type = "FileOutput"
message_matcher = "TRUE"
path = "{{dir}}/others.bin"
encoder = "ProtobufEncoder"
"""

TLS = """
use_tls = true
[{prefix}tls]
root_cafile = "{pki}/ca.pem"
cert_file = "{pki}/client.pem"
key_file = "{pki}/client.key"
"""

SIGNER = """
[{prefix}signer]
name = "operator"
hmac_hash = "{hash}"
hmac_key = "{key}"
version = 3
"""


class Site:
    def __init__(self, lab, sections=AGENT):
        self.lab = lab
        self.pki = lab.path("pki")
        authority = Authority(self.pki)
        authority.make("server")
        authority.make("client")
        self.ports = {name: heka.free_port(socket.SOCK_STREAM) for name in ("plain", "tls")}
        self.agent = lab.agent("agent", sections.format(**self.ports, key=KEY,
                                                    pki=self.pki))
        self.write("xyz.lua", SCRIPT)
        self.write("xyz.toml", SECTION)

    def write(self, name, text):
        with open(self.lab.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def config(self, name, port, more=""):
        self.write(name, f'ip_address = "127.0.0.1:{self.ports[port]}"\n' + more)

    def tls(self, prefix=""):
        return TLS.format(pki=self.pki, prefix=prefix)

    @staticmethod
    def signer(kind="sha1", key=KEY, prefix=""):
        return SIGNER.format(hash=kind, key=key, prefix=prefix)

    def run(self, program, *words, status=0):
        done = subprocess.run([os.path.join(BIN, program), *map(str, words)], cwd=self.lab.dir,
                              capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def end(self, count):
        """The messages of the signer, and all of them."""
        self.agent.wait("the messages",
                        lambda status: self.agent.stage("text", status)["in"] >= count)
        self.agent.settle()
        self.agent.stop()
        found = []
        for name in ("authentic.bin", "others.bin"):
            with open(self.lab.path("agent", name), "rb") as file:
                messages, rest = frames(file.read())
            assert rest == b""
            found.append(messages)
        return found


@pytest.fixture
def site(lab):
    return Site(lab)


def fields(message):
    return [(name, values) for name, values in message["Fields"]]


def test_sbmgr(site):
    """Load and unload, over both, with either hash; what is not signed right is not authentic."""
    site.config("sbmgr.toml", "plain", site.signer())
    site.config("tls.toml", "tls", site.tls() + site.signer("md5"))
    site.config("nobody.toml", "plain")
    site.config("forged.toml", "plain", site.signer(key="wrong"))
    site.run("heka-sbmgr")  # Heka's defaults: load, sbmgr.toml, xyz.lua, xyz.toml
    site.run("heka-sbmgr", "-action", "unload", "-filtername", "Tally")
    site.run("heka-sbmgr", "-config=tls.toml", "-script=xyz.lua", "-scriptconfig", "xyz.toml",
             "-action=load")
    site.run("heka-sbmgr", "-config", "nobody.toml", "-action", "unload")
    site.run("heka-sbmgr", "-config", "forged.toml")
    authentic, everything = site.end(5)
    assert len(everything) == 4  # not the forged one
    assert [message["Type"] for message in everything] == ["heka.control.sandbox"] * 4
    assert {message["Logger"] for message in everything} == {"hekad"}
    assert {message["Hostname"] for message in everything} == {socket.gethostname()}
    load, unload, other = authentic
    assert load["Payload"] == other["Payload"] == SCRIPT
    assert fields(load) == fields(other) == [("config", [SECTION]), ("action", ["load"])]
    assert fields(unload) == [("name", ["Tally"]), ("action", ["unload"])]
    assert "Payload" not in unload
    assert fields(everything[-1]) == [("name", ["filter"]), ("action", ["unload"])]


def test_sbmgr_errors(site):
    """Each says what is wrong, sends nothing, and ends with 1."""
    site.config("sbmgr.toml", "plain")
    site.config("untrusted.toml", "tls", "use_tls = true\n")
    site.config("bad.toml", "plain", "ip_adress = 1\n")
    site.write("bad_section.toml", "[Tally\n")
    site.write("large.lua", "-" * 70000)

    def error(*words):
        return site.run("heka-sbmgr", *words, status=1)

    assert "Invalid action: reload" in error("-action", "reload")
    assert "nowhere.lua: No such file" in error("-script", "nowhere.lua")
    assert "larger than a message may be" in error("-script", "large.lua")
    assert "bad_section.toml:1" in error("-scriptconfig", "bad_section.toml")
    assert "unknown config setting" in error("-config", "bad.toml")
    assert "certificate is not accepted" in error("-config", "untrusted.toml")
    assert "nowhere.toml" in error("-config", "nowhere.toml")
    assert "'extra' is not understood" in error("extra")
    assert site.agent.stage("text")["in"] == 0
    assert "-scriptconfig" in site.run("heka-sbmgr", "-help")


def test_sbmgrload(site):
    """Many filters: names, sections, and a script that Lua can read."""
    site.config("sbmgrload.toml", "plain", site.signer("md5"))
    site.run("heka-sbmgrload", "-num", 20)
    site.run("heka-sbmgrload", "-num", 3, "-action", "unload")
    assert "Invalid action: x" in site.run("heka-sbmgrload", "-action", "x", status=1)
    authentic, _ = site.end(23)
    sections = [dict(fields(message))["config"][0] for message in authentic[:20]]
    assert [re.match(r"\[(\w+)\]", section)[1] for section in sections] == [
        f"CounterSandbox{index}" for index in range(20)]
    assert all("type = \"SandboxFilter\"" in section for section in sections)
    assert [fields(message)[0] for message in authentic[20:]] == [
        ("name", [f"CounterSandbox{index}"]) for index in range(3)]
    assert len({message["Payload"] for message in authentic[:20]}) == 1
    assert "function process_message()" in authentic[0]["Payload"]


def test_flood_over_tls(site):
    """Exact totals, also with a client's certificate; without one it is refused."""
    site.config("flood.toml", "plain")
    with open(site.lab.path("flood.toml"), "w", encoding="utf-8") as file:
        for name, options in (("default", site.tls("default.")), ("bare", "use_tls = true\n"
                              f'[bare.tls]\nroot_cafile = "{site.pki}/ca.pem"\n')):
            file.write(f'[{name}]\nip_address = "127.0.0.1:{site.ports["tls"]}"\n'
                       "num_messages = 2000\nstatic_message_size = 500\nascii_only = true\n"
                       "signed_percentage = 50\n" + options + site.signer(prefix=name + "."))
    said = site.run("heka-flood", "-config", "flood.toml", "-test", "default")
    assert "2000 messages sent; 2000 messages delivered" in said
    signed = int(re.search(r"^signed: (\d+)$", said, re.MULTILINE)[1])
    assert "TLS" in site.run("heka-flood", "-config", "flood.toml", "-test", "bare", status=1)
    authentic, everything = site.end(2000)
    assert (len(authentic), len(everything)) == (signed, 2000)


def test_inject_over_tls(site):
    """One message, trusted in both directions."""
    trusted = ["-heka", f"127.0.0.1:{site.ports['tls']}", "-use_tls", "-root_cafile",
               f"{site.pki}/ca.pem", "-payload", "hello"]
    client = ["-cert_file", f"{site.pki}/client.pem", "-key_file", f"{site.pki}/client.key"]
    site.run("heka-inject", *trusted, *client)
    site.run("heka-inject", *trusted[:3], "-insecure_skip_verify", "-payload", "again", *client)
    assert "certificate is not accepted" in site.run(
        "heka-inject", *trusted[:3], "-payload", "x", *client, status=1)
    assert "certificate is not accepted" in site.run(
        "heka-inject", *trusted, *client, "-server_name", "elsewhere", status=1)
    # TLS 1.3 tells a client without certificate behind the handshake; or the connection just ends.
    text = site.run("heka-inject", *trusted, status=1)
    assert "TLS" in text or "cannot end the connection" in text
    assert "key_file is not given" in site.run("heka-inject", *trusted, *client[:2], status=1)
    _, everything = site.end(2)
    assert [message["Payload"] for message in everything] == ["hello", "again"]


MANAGER = """
[control]
type = "TcpInput"
address = "127.0.0.1:{plain}"
splitter = "signed"

[signed]
type = "HekaFramingSplitter"
[signed.signer.operator_3]
hmac_key = "{key}"

[manager]
type = "SandboxManagerFilter"
message_signer = "operator"
max_filters = 10

[said]
type = "FileOutput"
message_matcher = "Type == 'heka.sandbox-output'"
path = "{{dir}}/said.txt"
encoder = "RstEncoder"
flush_interval = 50
[RstEncoder]
"""


def test_with_a_manager(lab):
    """What the tools load runs, says what it counted, and is unloaded by them."""
    site = Site(lab, MANAGER)
    site.config("sbmgrload.toml", "plain", site.signer())

    def managed(status):
        return sorted(row["name"] for row in status["filters"] if row["name"] != "manager")

    site.run("heka-sbmgrload", "-num", 3)
    names = [f"manager-CounterSandbox{index}" for index in range(3)]
    site.agent.wait("three filters", lambda status: managed(status) == names)
    site.write("flood.toml", f'[default]\nip_address = "127.0.0.1:{site.ports["plain"]}"\n'
               "num_messages = 100\nascii_only = true\nmessage_interval = \"30ms\"\n")
    site.run("heka-flood", "-config", "flood.toml")
    site.agent.wait("what they say", lambda _: all(re.search(
        rf":Logger: {name}\n:Payload: Got \d+ messages\. \d+\.\d\d msg/sec",
        lab.read("agent", "said.txt")) for name in names))
    site.config("sbmgr.toml", "plain", site.signer())
    site.run("heka-sbmgr", "-action", "unload", "-filtername", "CounterSandbox1")
    site.agent.wait("two of them", lambda status: managed(status) == names[::2])
    site.run("heka-sbmgrload", "-num", 3, "-action", "unload")
    site.agent.wait("none of them", lambda status: managed(status) == [])
    site.agent.settle()
    site.agent.stop()
