# SPDX-License-Identifier: MPL-2.0
"""TLS of TcpInput and TcpOutput, option by option, against Python's ssl module and openssl."""
import os
import socket
import ssl
import subprocess
import threading

import pytest

import heka
from certificates import Authority
from process import wait_for

KEYS = "0123456789abcdef" * 4, "f" * 64


@pytest.fixture
def authority(lab):
    made = Authority(lab.path("pki"))
    made.make("server")
    made.make("other", names="DNS:log.example")
    made.make("rsa", is_rsa=True)
    made.make("client")
    strangers = Authority(lab.path("strangers"), "strangers")
    strangers.make("stranger")
    return made


class Ports:
    def __init__(self):
        self.by_name = {}

    def __getitem__(self, name):
        if name not in self.by_name:
            self.by_name[name] = heka.free_port(socket.SOCK_STREAM)
        return self.by_name[name]


def tls_input(lab, ports, name, certificate="server", **options):
    """The section of a TcpInput for lines."""
    made = {"cert_file": lab.path("pki", f"{certificate}.pem"),
            "key_file": lab.path("pki", f"{certificate}.key"), **options}
    rows = "\n".join(f"{key} = {toml(value)}" for key, value in made.items() if value is not None)
    return f"""
[{name}]
type = "TcpInput"
address = "127.0.0.1:{ports[name]}"
use_tls = true
splitter = "TokenSplitter"
decoder = ""
[{name}.tls]
{rows}
"""


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return f'"{value}"'


LINES = """
[lines]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/lines.txt"
encoder = "PayloadEncoder"
flush_interval = 100
[PayloadEncoder]
append_newlines = false
"""


def client(lab, certificate=None, newest=None, ciphers=None, oldest=None):
    context = ssl.create_default_context(cafile=lab.path("pki", "ca.pem"))
    if certificate is not None:
        context.load_cert_chain(lab.path(*certificate) + ".pem", lab.path(*certificate) + ".key")
    if ciphers is not None:
        context.set_ciphers(ciphers)
    if oldest is not None:
        context.minimum_version = oldest
    if newest is not None:
        context.maximum_version = newest
    return context


def talk(context, port, data=b"", session=None):
    """Sends, ends in order, and waits until the other side has; the socket."""
    plain = socket.create_connection(("127.0.0.1", port))
    plain.settimeout(20)
    stream = context.wrap_socket(plain, server_hostname="localhost", session=session)
    about = stream.version(), stream.cipher()[0], stream.session, stream.session_reused
    if data:
        stream.sendall(data)
    stream.unwrap()
    plain.close()
    return about


def is_refused(context, port):
    """A server may say so behind the handshake of TLS 1.3."""
    try:
        plain = socket.create_connection(("127.0.0.1", port))
        plain.settimeout(20)
        with context.wrap_socket(plain, server_hostname="localhost") as stream:
            stream.sendall(b"refused\n")
            stream.recv(1)
    except ssl.SSLError:
        return True
    except OSError as error:
        assert not isinstance(error, TimeoutError)
        return True
    return False


# [option TcpInput.use_tls] [option TcpInput.tls] [option tls.cert_file] [option tls.key_file]
# [option tls.client_auth] [option tls.client_cafile] [option tls.min_version]
# [option tls.max_version]
def test_input(lab, authority):
    """Which clients are let in, and with what version."""
    ports = Ports()
    ca = authority.file
    agent = lab.agent("agent", "".join([
        tls_input(lab, ports, "plain"),
        tls_input(lab, ports, "request", client_auth="RequestClientCert"),
        tls_input(lab, ports, "any", client_auth="RequireAnyClientCert"),
        tls_input(lab, ports, "if_given", client_auth="VerifyClientCertIfGiven",
                  client_cafile=ca),
        tls_input(lab, ports, "verified", client_auth="RequireAndVerifyClientCert",
                  client_cafile=ca),
        # No client_cafile: the system's do not know our authority.
        tls_input(lab, ports, "no_ca", client_auth="RequireAndVerifyClientCert"),
        tls_input(lab, ports, "new", min_version="TLS13"),
        tls_input(lab, ports, "old", max_version="TLS12"),
        LINES]))
    nobody, known = client(lab), client(lab, ("pki", "client"))
    stranger = client(lab, ("strangers", "stranger"))
    let_in = {"plain": (True, True, True), "request": (True, True, True),
              "any": (False, True, True), "if_given": (True, True, False),
              "verified": (False, True, False), "no_ca": (False, False, False)}
    sent = 0
    for name, who in let_in.items():
        for context, is_let_in in zip((nobody, known, stranger), who):
            if is_let_in:
                talk(context, ports[name], b"line %d\n" % sent)
                sent += 1
            else:
                assert is_refused(context, ports[name]), name
    assert talk(nobody, ports["plain"])[0] == "TLSv1.3"
    assert talk(nobody, ports["old"])[0] == "TLSv1.2"
    assert is_refused(client(lab, newest=ssl.TLSVersion.TLSv1_2), ports["new"])
    assert talk(nobody, ports["new"])[0] == "TLSv1.3"
    status = agent.wait("the lines", lambda status: agent.stage("text", status)["in"] == sent)
    status = agent.settle()
    for name, who in let_in.items():
        assert agent.input(name, status)["tls_failed"] == who.count(False), name
    agent.stop()
    assert sorted(lab.read("agent", "lines.txt").split("\n")[:-1]) == sorted(
        f"line {index}" for index in range(sent))
    assert "peer did not return a certificate" in agent.process.output("err")
    assert "certificate is not accepted" in agent.process.output("err")


# [option tls.ciphers] [option tls.prefer_server_ciphers] [option tls.session_tickets_disabled]
# [option tls.sesion_ticket_key] [option tls.session_ticket_key]
def test_ciphers_and_tickets(lab, authority):
    """What is chosen, and which sessions go on after a restart."""
    ports = Ports()
    both = ["ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE_RSA_WITH_AES_256_CBC_SHA",
            "RSA_WITH_RC4_128_SHA"]
    base = {"certificate": "rsa", "max_version": "TLS12"}
    sections = "".join([
        tls_input(lab, ports, "ours", ciphers=both, **base),
        tls_input(lab, ports, "theirs", ciphers=both, prefer_server_ciphers=False, **base),
        tls_input(lab, ports, "one", ciphers=["ECDHE_RSA_WITH_AES_256_CBC_SHA"], **base),
        tls_input(lab, ports, "no_tickets", session_tickets_disabled=True, **base),
        tls_input(lab, ports, "own_key", **base),
        tls_input(lab, ports, "key", sesion_ticket_key=KEYS[0], **base),
        tls_input(lab, ports, "key_too", session_ticket_key=KEYS[1], **base),
        LINES])
    agent = lab.agent("agent", sections)
    mine = "ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-GCM-SHA256"
    assert talk(client(lab, ciphers=mine), ports["ours"])[1] == "ECDHE-RSA-AES128-GCM-SHA256"
    assert talk(client(lab, ciphers=mine), ports["theirs"])[1] == "ECDHE-RSA-AES256-SHA"
    assert talk(client(lab), ports["one"])[1] == "ECDHE-RSA-AES256-SHA"
    assert "not used, because OpenSSL 3 does not have them: RSA_WITH_RC4_128_SHA" in \
        agent.process.output()
    context = client(lab)
    sessions = {name: talk(context, ports[name])[2]
                for name in ("no_tickets", "own_key", "key", "key_too")}
    assert {name: talk(context, ports[name], session=sessions[name])[3] for name in sessions} == \
        {"no_tickets": False, "own_key": True, "key": True, "key_too": True}
    agent.stop()
    agent.start()
    assert {name: talk(context, ports[name], session=sessions[name])[3] for name in sessions} == \
        {"no_tickets": False, "own_key": False, "key": True, "key_too": True}
    # The wrong key: a full handshake, and no error.
    assert not talk(context, ports["key"], session=sessions["key_too"])[3]
    agent.stop()


def test_input_misuse(lab, authority):
    """Plain bytes, a cut connection, and one that never speaks: counted, and others go on."""
    ports = Ports()
    agent = lab.agent("agent", tls_input(lab, ports, "in") + LINES)
    with socket.create_connection(("127.0.0.1", ports["in"])) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        plain.settimeout(20)
        try:
            while plain.recv(100):
                pass
        except ConnectionResetError:
            pass
    silent = socket.create_connection(("127.0.0.1", ports["in"]))
    cut = client(lab).wrap_socket(socket.create_connection(("127.0.0.1", ports["in"])),
                                  server_hostname="localhost")
    cut.sendall(b"whole\nnot whole")
    cut.close()  # Python says no close_notify
    big = b"".join(b"%d %s\n" % (index, b"x" * 90) for index in range(20000))
    talk(client(lab), ports["in"], big)
    agent.wait("the lines", lambda status: agent.stage("text", status)["in"] == 20002)
    counters = agent.input("in")
    assert (counters["tls_failed"], counters["tls_cut"], counters["connections_open"]) == (1, 1, 1)
    silent.close()
    status = agent.wait("the silent one's end",
                        lambda status: agent.input("in", status)["connections_open"] == 0)
    assert agent.stage("text", status)["ends"] == {"text_messages": 20001, "text_incomplete": 1}
    agent.stop()
    assert sorted(lab.read("agent", "lines.txt")) == sorted("whole\n" + big.decode())


def test_renewal(lab, authority):
    """A certificate that is replaced while hekad runs counts for the next connection; half a
    replacement does not."""
    ports = Ports()
    agent = lab.agent("agent", tls_input(lab, ports, "in") + LINES)

    def subject():
        plain = socket.create_connection(("127.0.0.1", ports["in"]))
        plain.settimeout(20)
        with client(lab).wrap_socket(plain, server_hostname="localhost") as stream:
            name = stream.getpeercert()["subject"][0][0][1]
            stream.unwrap()
        return name

    assert subject() == "server"
    authority.make("renewed")
    os.replace(lab.path("pki", "renewed.pem"), lab.path("pki", "server.pem"))
    wait_for("the error", lambda: subject() == "server" and
             "those from before stay in force: tls: key_file" in agent.process.output("err"))
    os.replace(lab.path("pki", "renewed.key"), lab.path("pki", "server.key"))
    wait_for("the new certificate", lambda: subject() == "renewed")
    assert "files have changed, and are loaded again" in agent.process.output()
    agent.stop()


class TlsPeer:
    """A TLS server that collects what comes, in a thread for each connection."""

    def __init__(self, certificate, port=0, authority=None, newest=None):
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate + ".pem", certificate + ".key")
        self.context.sni_callback = lambda stream, name, context: self.names.append(name)
        if authority is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(authority)
        if newest is not None:
            self.context.maximum_version = newest
        self.names, self.streams, self.errors, self.about = [], [], [], []
        self.sources = []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]

    def accept(self):
        while True:
            try:
                plain, source = self.listener.accept()
            except OSError:
                return
            self.sources.append(source)
            threading.Thread(target=self.collect, args=(plain,), daemon=True).start()

    def collect(self, plain):
        plain.settimeout(60)
        try:
            with self.context.wrap_socket(plain, server_side=True) as stream:
                self.about.append((stream.version(), stream.cipher()[0], stream.getpeercert()))
                data = bytearray()
                self.streams.append(data)
                while True:
                    got = stream.recv(1 << 16)
                    if not got:
                        break
                    data += got
                stream.unwrap()
        except OSError as error:
            self.errors.append(error)

    def lines(self):
        return b"".join(bytes(stream) for stream in list(self.streams)).decode().split("\n")[:-1]

    def start(self):
        """For Lab.keep()."""
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def tls_output(name, port, more="", **options):
    rows = "\n".join(f"{key} = {toml(value)}" for key, value in options.items())
    return f"""
[{name}]
type = "TcpOutput"
message_matcher = "TRUE"
address = "127.0.0.1:{port}"
encoder = "PayloadEncoder"
use_buffering = false
use_tls = true
{more}
[{name}.tls]
{rows}
"""


FROM = """
[UdpInput]
net = "unixgram"
address = "{dir}/in.sock"
splitter = "TokenSplitter"
[PayloadEncoder]
append_newlines = false
"""


def send_lines(agent, numbers):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(os.path.join(agent.folder, "in.sock"))
        for index in numbers:
            sender.send(b"line %d\n" % index)


# [option TcpOutput.use_tls] [option TcpOutput.tls] [option tls.root_cafile]
# [option tls.server_name] [option tls.insecure_skip_verify] [option tls.cert_file]
# [option TcpOutput.local_address] [option TcpOutput.keep_alive]
# [option TcpOutput.keep_alive_period] [option TcpOutput.reconnect_after]
def test_output(lab, authority):
    """Whom it trusts, what it says of itself, and that all lines arrive."""
    ca = authority.file
    peers = {name: lab.keep(TlsPeer(lab.path("pki", certificate), **options))
             for name, certificate, options in [
                 ("good", "server", {}), ("named", "other", {}), ("other", "other", {}),
                 ("skips", "other", {}), ("unknown", "server", {}),
                 ("asks", "server", {"authority": ca}), ("old", "rsa", {}),
                 ("again", "server", {})]}
    local = heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", FROM + "".join([
        tls_output("good", peers["good"].port, f'local_address = "127.0.0.1:{local}"\n'
                   "keep_alive = true\nkeep_alive_period = 77", root_cafile=ca),
        tls_output("named", peers["named"].port, root_cafile=ca, server_name="log.example"),
        tls_output("other", peers["other"].port, root_cafile=ca),
        tls_output("skips", peers["skips"].port, insecure_skip_verify=True),
        tls_output("unknown", peers["unknown"].port),
        tls_output("asks", peers["asks"].port, root_cafile=ca,
                   cert_file=lab.path("pki", "client.both"),
                   key_file=lab.path("pki", "client.both")),
        tls_output("old", peers["old"].port, root_cafile=ca, max_version="TLS12",
                   ciphers=["ECDHE_RSA_WITH_AES_128_CBC_SHA"]),
        tls_output("again", peers["again"].port, "reconnect_after = 10", root_cafile=ca),
    ]))
    sent = [f"line {index}" for index in range(100)]
    send_lines(agent, range(100))
    for name in ("good", "named", "skips", "asks", "old", "again"):
        wait_for(f"the lines at {name}", lambda peer=peers[name]: len(peer.lines()) >= 100)
        assert sorted(peers[name].lines()) == sorted(sent), name
    assert peers["named"].names == ["log.example"]
    assert peers["good"].names == [None]  # an address is no name
    assert peers["good"].sources == [("127.0.0.1", local)]
    wait_for("the keepalive timer of 77 s", lambda: "timer:(keepalive,1min1" in subprocess.run(
        ["ss", "-tno", f"sport = :{local}"], capture_output=True, text=True, check=True).stdout)
    assert peers["asks"].about[0][2]["subject"] == ((("commonName", "client"),),)
    assert peers["old"].about[0][:2] == ("TLSv1.2", "ECDHE-RSA-AES128-SHA")
    assert peers["good"].about[0][0] == "TLSv1.3"
    assert len(peers["again"].streams) == 10

    def errors():
        text = agent.process.output("err")
        return "certificate is not accepted: IP address mismatch" in text and (
            "certificate is not accepted: unable to get local issuer" in text)
    wait_for("the errors", errors)
    assert peers["other"].streams == [] and peers["unknown"].streams == []
    agent.stop()
    assert peers["good"].errors == []


def test_output_is_refused(lab, authority):
    """A server that wants a certificate which we do not have says so behind the handshake. What was
    sent meanwhile is owed, and goes to whoever takes it next at that address."""
    peer = lab.keep(TlsPeer(lab.path("pki", "server"), authority=authority.file))
    agent = lab.agent("agent", FROM + tls_output("out", peer.port, root_cafile=authority.file))
    send_lines(agent, range(50))
    wait_for("the error", lambda: "certificate required" in agent.process.output("err"))
    assert peer.lines() == []
    peer.context.verify_mode = ssl.CERT_NONE
    wait_for("the lines", lambda: len(set(peer.lines())) == 50)
    agent.settle()
    agent.stop()
    assert set(peer.lines()) == {f"line {index}" for index in range(50)}


BAD = """
[bad]
type = "TcpInput"
address = "127.0.0.1:1"
use_tls = true
[bad.tls]
%s

[TcpOutput]
message_matcher = "TRUE"
use_buffering = false
%s
"""


# [option tls.cert_file] [option tls.key_file] [option tls.root_cafile] [option tls.client_cafile]
def test_errors(lab, authority):
    """What -check says, in Heka's words."""
    good = f'cert_file = "{authority.path("server.pem")}"\nkey_file = "' \
           f'{authority.path("server.key")}"\n'
    empty = lab.path("empty.pem")
    with open(empty, "w", encoding="ascii") as file:
        file.write("nothing\n")

    def check(options, output=""):
        path = lab.path("bad.toml")
        with open(path, "w", encoding="ascii") as file:
            file.write(f'[hekad]\nbase_dir = "{lab.path("base")}"\n' + BAD % (options, output))
        done = subprocess.run([heka.HEKAD, "-check", "-config", path], capture_output=True,
                              text=True, check=False, timeout=60)
        return done.stdout + done.stderr

    assert "TLS config requires both cert_file and key_file value." in check("")
    for row, text in [
            ('min_version = "TLS9"', "Invalid MinVersion: TLS9"),
            ('max_version = "x"', "Invalid MaxVersion: x"),
            ('min_version = "TLS12"\nmax_version = "TLS11"',
             "MaxVersion (TLS11) must be newer than MinVersion (TLS12)"),
            ('client_auth = "Sometimes"', "Invalid ClientAuth value: Sometimes"),
            ('ciphers = ["foo"]', "Invalid cipher string: foo"),
            ('ciphers = ["RSA_WITH_RC4_128_SHA"]', "has none of RSA_WITH_RC4_128_SHA"),
            ('sesion_ticket_key = "12"', "Invalid SessionTicketKey length: 1"),
            ('sesion_ticket_key = "xy"', "'x' is not a hexadecimal digit"),
            (f'client_cafile = "{empty}"', f"No PEM encoded certificates found in: {empty}"),
            ('client_cafile = "/nowhere.pem"', "/nowhere.pem: No such file or directory"),
            ('cert_files = "x"', "unknown config setting")]:
        assert text in check(good + row), row
    for key, text in (("other", "key values mismatch"), ("rsa", "is not the key of cert_file")):
        rows = good.replace("server.key", f"{key}.key")
        assert text in check(rows), key
    said = check(good, f'use_tls = true\n[TcpOutput.tls]\nroot_cafile = "{empty}"')
    assert f"No PEM encoded certificates found in: {empty}" in said
    said = check(good, 'use_tls = true\n[TcpOutput.tls]\ncert_file = "x"')
    assert "cert_file and key_file go together; key_file is not given" in said
