# SPDX-License-Identifier: MPL-2.0
"""HttpInput and HttpListenInput with others of the test."""
import http.client
import socket
import ssl
import subprocess
import threading

import certificates
import heka
import heka_wire
import pytest
from http_peer import Answer, HttpPeer

FILE = """
[FileOutput]
message_matcher = "TRUE"
path = "{dir}/out"
encoder = "ProtobufEncoder"
flush_interval = 0
"""


def messages(agent, read=heka_wire.decode):
    try:
        with open(f"{agent.folder}/out", "rb") as file:
            return heka_wire.frames(file.read(), read)[0]
    except FileNotFoundError:
        return []


def wait_messages(agent, count):
    agent.wait(f"{count} messages", lambda _: len(messages(agent)) >= count)
    return messages(agent)


def fields(message):
    return {name: values[0] for name, values in message["Fields"]}


def payloads(found):
    return [message["Payload"] for message in found]


# ---- HttpInput ----

def test_http_input(lab):
    """[option HttpInput.urls] [option HttpInput.method] [option HttpInput.headers]
    [option HttpInput.body] [option HttpInput.username] [option HttpInput.password]
    [option HttpInput.ticker_interval] [option HttpInput.success_severity]
    [option HttpInput.error_severity]"""
    def answer(request):
        if request.path == "/moved":
            return Answer(302, b"", [("Location", "/good")])
        return Answer(404, b"nothing") if request.path == "/bad" else Answer(200, b"fine\nhere")
    peer = lab.keep(HttpPeer(answer))
    dead = heka.free_port(socket.SOCK_STREAM)
    base = f"http://127.0.0.1:{peer.port}"
    agent = lab.agent("agent", FILE + f"""
[HttpInput]
urls = ["{base}/good", "{base}/bad", "{base}/moved", "http://127.0.0.1:{dead}/"]
method = "PUT"
body = "the body"
username = "me"
password = "secret"
ticker_interval = 1
success_severity = 5
error_severity = 2
[HttpInput.headers]
user-agent = "own"
X-One = "1"
""")
    found = wait_messages(agent, 8)
    assert len(peer.seen()) >= 8  # /moved is asked for twice
    good, bad, moved, gone = found[:4]
    request = peer.seen()[0]
    assert (request.method, request.body) == ("PUT", b"the body")
    assert request.headers["User-Agent"] == "own" and request.headers["X-One"] == "1"
    assert request.headers["Authorization"] == "Basic bWU6c2VjcmV0"
    assert (good["Type"], good["Severity"]) == ("heka.httpinput.data", 5)
    assert good["Payload"] == "fine\nhere" and good["Logger"] == base + "/good"
    assert good["Hostname"] == "agent"
    assert fields(good)["StatusCode"] == 200 and fields(good)["Status"] == "200 OK"
    assert fields(good)["ResponseSize"] == 9 and fields(good)["Protocol"] == "HTTP/1.1"
    assert 0 < fields(good)["ResponseTime"] < 60
    assert messages(agent, heka_wire.representations)[0] == {
        "StatusCode": "", "Status": "", "ResponseSize": "B", "ResponseTime": "s", "Protocol": ""}
    assert (bad["Severity"], bad["Payload"], fields(bad)["StatusCode"]) == (2, "nothing", 404)
    assert moved["Payload"] == "fine\nhere" and moved["Logger"] == base + "/moved"
    assert (gone["Type"], gone["Severity"]) == ("heka.httpinput.error", 2)
    assert "Fields" not in gone and gone["Logger"].endswith(f":{dead}/")
    row = agent.input("HttpInput")
    assert row["requests"] >= 8 and row["errors"] >= 2 and row["not_ok"] >= 2
    heka.assert_balanced(agent.status())
    agent.stop()


def test_http_input_defaults_and_splitter(lab):
    """[option HttpInput.url]: a splitter cuts the answer; the last line has no end."""
    peer = lab.keep(HttpPeer(lambda _: Answer(200, b"one\ntwo\nthree")))
    agent = lab.agent("agent", FILE + f"""
[TokenSplitter]
deliver_incomplete_final = true

[HttpInput]
url = "http://127.0.0.1:{peer.port}/"
ticker_interval = 1
splitter = "TokenSplitter"
""")
    found = wait_messages(agent, 3)
    assert payloads(found[:3]) == ["one\n", "two\n", "three"]
    assert found[0]["Severity"] == 6
    assert peer.seen()[0].headers["User-Agent"] == "Heka" and peer.seen()[0].method == "GET"
    agent.stop()


# ---- HttpListenInput ----

def ask(port, path="/", body=None, method="POST", context=None, **headers):
    kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
    options = {"context": context} if context else {}
    connection = kind("localhost" if context else "127.0.0.1", port, timeout=60, **options)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_listen(lab):
    """[option HttpListenInput.address] [option HttpListenInput.headers]
    [option HttpListenInput.request_headers]"""
    port = heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", FILE + """
[HttpListenInput]
address = "127.0.0.1:%d"
request_headers = ["X-Request-Id", "X-None"]
[HttpListenInput.headers]
One = ["two", "three"]
Four = ["five"]
""" % port)
    answer = ask(port, "/a%20path?x=1&y=%C3%A9+b&x=2&z", b"1+2", X_Request_Id="12345",
                 User_Agent="agent of the test", Content_Type="text/plain")
    assert answer.status == 200
    assert answer.headers.get_all("One") == ["two", "three"] and answer.headers["Four"] == "five"
    message = wait_messages(agent, 1)[0]
    assert (message["Type"], message["Payload"]) == ("heka.httpdata.request", "1+2")
    assert (message["Severity"], message["EnvVersion"]) == (6, "1")
    assert (message["Hostname"], message["Logger"]) == ("agent", "HttpListenInput")
    assert message["Pid"] == agent.process.pid
    assert message["Fields"] == [
        ("Protocol", ["HTTP/1.1"]), ("UserAgent", ["agent of the test"]),
        ("ContentType", ["text/plain"]), ("Path", ["/a path"]), ("Host", ["127.0.0.1"]),
        ("RemoteAddr", ["127.0.0.1"]), ("X-Request-Id", ["12345"]), ("x", ["1"]),
        ("y", ["\u00e9 b"]), ("x", ["2"]), ("z", [""])]
    assert ask(port, method="GET").status == 200  # no body, no message
    assert ask(port, body=iter([b"in ", b"chunks"]), method="PUT").status == 200
    assert wait_messages(agent, 2)[1]["Payload"] == "in chunks"
    assert ask(port, body=b"x" * 70000).status == 413
    row = agent.input("HttpListenInput")
    assert row["requests"] == 4 and row["bodies_too_long"] == 1
    assert len(messages(agent)) == 2
    heka.assert_balanced(agent.status())
    agent.stop()


def test_listen_splits_many_at_once(lab):
    """[option inputs.splitter] [option HttpListenInput.connections_max]"""
    port = heka.free_port(socket.SOCK_STREAM)
    sections = FILE + """
[TokenSplitter]

[HttpListenInput]
address = "127.0.0.1:%d"
splitter = "TokenSplitter"
connections_max = 8
""" % port
    agent = lab.agent("agent", sections)
    statuses = []

    def client(number):
        lines = b"".join(b"%d %d\n" % (number, line) for line in range(2000))
        statuses.append(ask(port, body=lines).status)
    clients = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for one in clients:
        one.start()
    agent.rewrite(sections.replace("connections_max = 8", "connections_max = 2"))
    agent.ask("reload")  # in between: the listening socket goes on
    for one in clients:
        one.join()
    assert statuses == [200] * 6
    found = wait_messages(agent, 12000)
    assert set(payloads(found)) == {
        f"{number} {line}\n" for number in range(6) for line in range(2000)}
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    agent.wait("two idle connections", lambda status: agent.input(
        "HttpListenInput", status)["connections"] >= 2)
    with socket.create_connection(("127.0.0.1", port)) as third:
        third.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        third.settimeout(0.3)
        with pytest.raises(TimeoutError):  # it waits in the kernel
            third.recv(1)
        for one in idle:
            one.close()
        third.settimeout(60)
        assert third.recv(12) == b"HTTP/1.1 200"
    heka.assert_balanced(agent.status())
    agent.stop()


def test_listen_ip6(lab):
    port = heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", FILE + """
[HttpListenInput]
address = "[::1]:%d"
""" % port)
    with socket.create_connection(("::1", port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 1\r\n\r\nx")
        client.settimeout(60)
        assert client.recv(12) == b"HTTP/1.1 200"
    found = fields(wait_messages(agent, 1)[0])
    assert (found["RemoteAddr"], found["Host"]) == ("::1", "[::1]")
    agent.stop()


def test_listen_auth(lab):
    """[option HttpListenInput.auth_type] [option HttpListenInput.username]
    [option HttpListenInput.password] [option HttpListenInput.api_key]"""
    ports = [heka.free_port(socket.SOCK_STREAM) for _ in range(2)]
    agent = lab.agent("agent", FILE + """
[basic]
type = "HttpListenInput"
address = "127.0.0.1:%d"
auth_type = "Basic"
username = "me"
password = "secret"

[key]
type = "HttpListenInput"
address = "127.0.0.1:%d"
auth_type = "API"
api_key = "the key"
""" % tuple(ports))
    refused = ask(ports[0], body=b"no")
    assert refused.status == 401 and refused.headers["WWW-Authenticate"].startswith("Basic ")
    assert ask(ports[0], body=b"no", Authorization="Basic bWU6d3Jvbmc=").status == 401
    assert ask(ports[0], body=b"basic", Authorization="Basic bWU6c2VjcmV0").status == 200
    assert ask(ports[1], body=b"no").status == 401
    assert ask(ports[1], body=b"no", X_API_Key="the key!").status == 401
    assert ask(ports[1], body=b"key", X_API_Key="the key").status == 200
    assert payloads(wait_messages(agent, 2)) == ["basic", "key"]
    assert agent.input("basic")["auth_failed"] == agent.input("key")["auth_failed"] == 2
    log = agent.process.output("err")
    assert "Basic Auth Failed" in log and "API Auth Failed" in log
    agent.stop()


def test_listen_tls(lab):
    """[option HttpListenInput.use_tls] [option HttpListenInput.tls]"""
    authority = certificates.Authority(lab.path("ca"))
    cert, key = authority.make("server")
    client = authority.make("client")
    stranger = certificates.Authority(lab.path("other")).make("stranger")
    ports = [heka.free_port(socket.SOCK_STREAM) for _ in range(3)]
    section = """
[%s]
type = "HttpListenInput"
address = "127.0.0.1:%d"
use_tls = true
[%s.tls]
cert_file = "{cert}"
key_file = "{key}"
"""
    sections = FILE + (section % ("plain", ports[0], "plain") + 'max_version = "TLS12"\n'
                       'ciphers = ["ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]\n' +
                       section % ("any", ports[1], "any") +
                       'client_auth = "RequireAnyClientCert"\n' +
                       section % ("verified", ports[2], "verified") +
                       'client_auth = "RequireAndVerifyClientCert"\n'
                       f'client_cafile = "{authority.file}"\n').replace(
                           "{cert}", cert).replace("{key}", key)
    agent = lab.agent("agent", sections)

    def context(certificate=None):
        made = ssl.create_default_context(cafile=authority.file)
        if certificate:
            made.load_cert_chain(*certificate)
        return made

    def is_let_in(port, certificate=None):
        try:
            return ask(port, body=b"x", context=context(certificate)).status == 200
        except (ssl.SSLError, ConnectionError, http.client.BadStatusLine):
            return False
    with socket.create_connection(("127.0.0.1", ports[0])) as raw:
        with context().wrap_socket(raw, server_hostname="localhost") as wrapped:
            assert wrapped.version() == "TLSv1.2"
            assert wrapped.cipher()[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert is_let_in(ports[0])
    assert [is_let_in(ports[1], one) for one in (None, stranger, client)] == [False, True, True]
    assert [is_let_in(ports[2], one) for one in (None, stranger, client)] == [False, False, True]
    assert len(wait_messages(agent, 4)) == 4
    agent.stop()


def test_refused_options(lab):
    """What -check says of options that make no sense."""
    with open(lab.path("hekad.toml"), "w", encoding="ascii") as file:
        file.write(FILE + """
[HttpInput]
method = "G T"
[HttpInput.headers]
X-Bad = "a\\nb"

[HttpListenInput]
auth_type = "Basic"
request_headers = ["a b"]

[key]
type = "HttpListenInput"
address = "127.0.0.1:1"
auth_type = "API"

[other]
type = "HttpListenInput"
address = "127.0.0.1:2"
auth_type = "Digest"
use_tls = true
""")
    done = subprocess.run([heka.HEKAD, "-config", lab.path("hekad.toml"), "-check"],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    for wanted in ("Url or Urls must contain at least one URL", "found 'G T'",
                   "headers: the value of 'X-Bad' has control characters",
                   "auth_type: Basic needs username and password", "request_headers: 'a b'",
                   "auth_type: API needs api_key", "auth_type: found 'Digest', allowed Basic, API",
                   "TLS config requires both cert_file and key_file value."):
        assert wanted in done.stderr, done.stderr
