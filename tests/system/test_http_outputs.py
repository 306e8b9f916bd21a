# SPDX-License-Identifier: MPL-2.0
"""HttpOutput, ElasticSearchOutput and NagiosOutput against servers of the test."""
import base64
import json
import os
import socket
import stat
import subprocess
import threading
import urllib.parse

import certificates
import heka
from http_peer import Answer, HttpPeer

INPUT = """
[app]
type = "UdpInput"
address = "127.0.0.1:%d"

[PayloadEncoder]
append_newlines = false
"""


def send(port, *payloads):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for payload in payloads:
            sender.sendto(payload.encode(), ("127.0.0.1", port))


def delivered(agent, name, count):
    status = agent.wait(f"{name} to deliver {count}", lambda status: agent.consumer(
        name, status)["delivered"] == count and status)
    heka.assert_balanced(status)
    return agent.consumer(name, status)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# ---- HttpOutput ----

def test_http_requests(lab):
    """[option HttpOutput.address] [option HttpOutput.method] [option HttpOutput.headers]
    [option HttpOutput.username] [option HttpOutput.password] [option outputs.encoder]"""
    port, peer = heka.free_port(), lab.keep(HttpPeer())
    sections = INPUT % port + """
[HttpOutput]
message_matcher = "TRUE"
address = "http://127.0.0.1:%d/a/path?x=1"
encoder = "PayloadEncoder"
method = "put"
username = "me"
password = "secret"
[HttpOutput.headers]
X-One = ["first", "second"]
X-Empty = [""]

[getter]
type = "HttpOutput"
message_matcher = "TRUE"
address = "http://127.0.0.1:%d/get"
encoder = "PayloadEncoder"
method = "GET"
""" % (peer.port, peer.port)
    agent = lab.agent("agent", sections)
    send(port, "one", "two")
    delivered(agent, "HttpOutput", 2)
    row = delivered(agent, "getter", 2)
    puts = [request for request in peer.seen() if request.method == "PUT"]
    assert [request.body for request in puts] == [b"one", b"two"]
    assert {request.path for request in puts} == {"/a/path?x=1"}
    assert puts[0].headers.get_all("X-One") == ["first", "second"]
    assert puts[0].headers["X-Empty"] == ""
    assert puts[0].headers["Authorization"] == basic("me", "secret")
    assert len({request.connection for request in puts}) == 1
    gets = [request for request in peer.seen() if request.method == "GET"]
    assert [request.body for request in gets] == [b"", b""]
    assert gets[0].headers["Authorization"] is None
    assert row["plugin"] == {"requests": 2, "failures": 0, "refusals": 0}
    agent.stop()


def test_http_tries_again(lab):
    """[option HttpOutput.http_timeout]: refused, too slow, gone; nothing is lost."""
    port, peer = heka.free_port(), lab.keep(HttpPeer())
    answers = iter([Answer(500, b"not now"), Answer(302, b"", [("Location", "/elsewhere")])])
    peer.answer = lambda request: next(answers, Answer(204))
    slow = []

    def stall(_, request):
        if request.body == b"slow" and not slow:
            slow.append(request)
            blocker.wait(60)
        return False
    blocker = threading.Event()
    peer.stream = stall
    agent = lab.agent("agent", INPUT % port + """
[HttpOutput]
message_matcher = "TRUE"
address = "http://127.0.0.1:%d/"
encoder = "PayloadEncoder"
http_timeout = 300
""" % peer.port)
    send(port, "one", "slow", "three")
    row = delivered(agent, "HttpOutput", 3)
    blocker.set()
    assert peer.bodies() == [b"one", b"one", b"one", b"slow", b"slow", b"three"]
    assert peer.seen()[2].path == "/elsewhere"
    assert row["plugin"]["refusals"] == 1 and row["plugin"]["failures"] == 1
    log = agent.process.output("err")
    assert "HTTP Error code returned: 500 Internal Server Error - not now" in log
    agent.stop()


def test_http_tls(lab):
    """[option HttpOutput.tls] [option tls.root_cafile] [option tls.server_name]"""
    authority = certificates.Authority(lab.path("ca"))
    peer = lab.keep(HttpPeer(tls=authority.make("other", "DNS:other.example")))
    port = heka.free_port()
    section = """
[%s]
type = "HttpOutput"
message_matcher = "TRUE"
address = "https://127.0.0.1:%d/"
encoder = "PayloadEncoder"
[%s.tls]
root_cafile = "%s"
"""
    agent = lab.agent("agent", INPUT % port +
                      section % ("named", peer.port, "named", authority.file) +
                      'server_name = "other.example"\n' +
                      section % ("unnamed", peer.port, "unnamed", authority.file))
    send(port, "one")
    delivered(agent, "named", 1)
    assert "other.example" in peer.server_names
    assert peer.seen()[0].headers["Host"] == f"127.0.0.1:{peer.port}"
    agent.wait("the other to be refused",
               lambda status: agent.consumer("unnamed", status)["plugin"]["failures"] > 0)
    assert peer.bodies() == [b"one"]
    agent.stop()


# ---- ElasticSearchOutput ----

def documents(body):
    lines = body.decode().split("\n")
    assert lines[-1] == ""
    return [json.loads(line)["Payload"] for line in lines[1:-1:2]]


ENCODER = """
[ESJsonEncoder]
index = "logs"
type_name = ""
fields = ["Payload"]
"""


def test_elasticsearch_requests(lab):
    """[option ElasticSearchOutput.server] [option ElasticSearchOutput.flush_interval]
    [option ElasticSearchOutput.username]
    [option ElasticSearchOutput.password] [option ElasticSearchOutput.http_disable_keepalives]
    Items fail one by one: some for good, some for now."""
    port, peer = heka.free_port(), lab.keep(HttpPeer())
    busy = {"two", "three"}

    def answer(request):
        items = []
        for text in documents(request.body):
            if text == "bad":
                result = {"status": 400, "error": {"type": "mapper_parsing_exception",
                                                   "reason": "no number"}}
            elif text in busy:
                busy.discard(text)
                result = {"status": 429, "error": {"type": "es_rejected_execution_exception"}}
            else:
                result = {"status": 201}
            items.append({"index": result})
        errors = any(item["index"]["status"] != 201 for item in items)
        return Answer(200, json.dumps({"errors": errors, "items": items}).encode())
    peer.answer = answer
    agent = lab.agent("agent", INPUT % port + ENCODER + """
[ElasticSearchOutput]
message_matcher = "TRUE"
server = "http://127.0.0.1:%d/prefix/"
encoder = "ESJsonEncoder"
flush_count = 4
flush_interval = 600000
username = "me"
password = "secret"
http_disable_keepalives = true

[witness]
type = "ElasticSearchOutput"
message_matcher = "Payload == 'five' || Payload == 'six'"
server = "http://127.0.0.1:%d/witness"
encoder = "ESJsonEncoder"
flush_count = 4
""" % (peer.port, peer.port))

    def seen(folder):
        return [request for request in peer.seen() if request.path == f"/{folder}/_bulk"]
    send(port, "one", "two", "bad", "three")
    agent.wait("the first request", lambda _: seen("prefix"))
    row = delivered(agent, "ElasticSearchOutput", 3)
    assert row["plugin"]["indexed"] == 3 and row["ends"]["rejected"] == 1
    assert row["plugin"]["rejected_documents"] == 1
    assert row["plugin"]["retried_documents"] == 2
    first = peer.seen()[0]
    assert first.path == "/prefix/_bulk" and first.method == "POST"
    assert first.headers["Accept"] == "application/json"
    assert first.headers["Authorization"] == basic("me", "secret")
    assert documents(first.body) == ["one", "two", "bad", "three"]
    assert sorted(sum((documents(body) for body in peer.bodies()[1:]), [])) == ["three", "two"]
    assert len({request.connection for request in peer.seen()}) == len(peer.seen())
    assert "no number" in agent.process.output("err")
    before = len(seen("prefix"))
    for count, text in enumerate(["five", "six"], 1):
        send(port, text)  # waits for its interval, which is long; the other's comes twice
        delivered(agent, "witness", count)
    assert agent.consumer("ElasticSearchOutput", agent.status())["delivered"] == 3
    assert len(seen("prefix")) == before
    agent.stop()


def test_elasticsearch_flush_count(lab):
    """[option ElasticSearchOutput.flush_count] So many do not wait, and are a request each."""
    port, peer = heka.free_port(), lab.keep(HttpPeer(lambda _: Answer(200, b'{"errors":false}')))
    more = threading.Event()
    peer.stream = lambda *_: not more.wait(60)
    agent = lab.agent("agent", INPUT % port + ENCODER + """
[ElasticSearchOutput]
message_matcher = "TRUE"
server = "http://127.0.0.1:%d"
encoder = "ESJsonEncoder"
flush_count = 2
flush_interval = 600000
""" % peer.port)
    send(port, "one")
    agent.wait("the first request", lambda _: peer.seen())
    send(port, "two", "three", "four", "five")
    agent.wait("them to be there", lambda status: agent.consumer(
        "ElasticSearchOutput", status)["queued"] == 5)
    more.set()
    delivered(agent, "ElasticSearchOutput", 5)
    assert [documents(body) for body in peer.bodies()] == [["one"], ["two", "three"],
                                                           ["four", "five"]]
    agent.stop()


def test_elasticsearch_refuses_requests(lab):
    """A request that is refused as a whole is sent in parts; one document is at fault."""
    port, peer = heka.free_port(), lab.keep(HttpPeer())
    answers = iter([Answer(503, b"{}"), Answer(200, b"no json")])

    def answer(request):
        found = next(answers, None)
        if found is None and b"poison" in request.body:
            found = Answer(400, b'{"error":"malformed"}')
        return found or Answer(200, b'{"errors":false}')
    peer.answer = answer
    agent = lab.agent("agent", INPUT % port + ENCODER + """
[ElasticSearchOutput]
message_matcher = "TRUE"
server = "http://127.0.0.1:%d"
encoder = "ESJsonEncoder"
flush_count = 5
flush_interval = 200
use_buffering = false
""" % peer.port)
    send(port, "1", "2", "poison", "4", "5")
    row = delivered(agent, "ElasticSearchOutput", 4)
    assert row["ends"] == {"rejected": 1}
    assert row["plugin"]["failures"] == 2 and row["plugin"]["rejected_documents"] == 1
    good = [documents(body) for body in peer.bodies()[2:] if b"poison" not in body]
    assert sorted(sum(good, [])) == ["1", "2", "4", "5"]
    log = agent.process.output("err")
    assert "Status: 503 Service Unavailable" in log
    agent.stop()


def test_elasticsearch_timeouts_and_tls(lab):
    """[option ElasticSearchOutput.http_timeout] [option ElasticSearchOutput.connect_timeout]
    [option ElasticSearchOutput.tls] [option tls.insecure_skip_verify]"""
    authority = certificates.Authority(lab.path("ca"))
    peer = lab.keep(HttpPeer(lambda _: Answer(200, b'{"errors":false}'),
                             tls=authority.make("es")))
    port, stalled = heka.free_port(), threading.Event()
    seen = []

    def stall(_, request):
        if not seen:
            seen.append(request)
            stalled.wait(60)
        return False
    peer.stream = stall
    with socket.socket() as full:  # nobody accepts, and its queue is full: SYNs are dropped
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(2)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        agent = lab.agent("agent", INPUT % port + ENCODER + """
[ElasticSearchOutput]
message_matcher = "TRUE"
server = "https://localhost:%d"
encoder = "ESJsonEncoder"
flush_interval = 1
http_timeout = 300
[ElasticSearchOutput.tls]
insecure_skip_verify = true

[nobody]
type = "ElasticSearchOutput"
message_matcher = "TRUE"
server = "http://127.0.0.1:%d"
encoder = "ESJsonEncoder"
flush_interval = 0
connect_timeout = 200
""" % (peer.port, full.getsockname()[1]))
        send(port, "one")
        row = delivered(agent, "ElasticSearchOutput", 1)
        assert row["plugin"]["failures"] == 1
        stalled.set()
        agent.wait("the timeout", lambda status: agent.consumer(
            "nobody", status)["plugin"]["failures"] > 0)
        assert "HTTP request was interrupted after timeout" in agent.process.output("err")
        agent.stop()
        for one in waiting:
            one.close()


def test_elasticsearch_datagrams(lab):
    port = heka.free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        agent = lab.agent("agent", INPUT % port + ENCODER + """
[ElasticSearchOutput]
message_matcher = "TRUE"
server = "udp://127.0.0.1:%d"
encoder = "ESJsonEncoder"
flush_count = 2
flush_interval = 60000
""" % server.getsockname()[1])
        send(port, "one", "two", "x" * 40000, "y" * 40000)
        received = [documents(server.recv(1 << 16)) for _ in range(3)]
        assert received == [["one", "two"], ["x" * 40000], ["y" * 40000]]
        agent.stop()


# ---- NagiosOutput ----

def test_nagios(lab):
    """[option NagiosOutput.url] [option NagiosOutput.username] [option NagiosOutput.password]
    [option NagiosOutput.nagios_host] [option NagiosOutput.nagios_service_description]
    [option NagiosOutput.response_header_timeout] [option NagiosOutput.use_tls]
    [option NagiosOutput.tls]"""
    authority = certificates.Authority(lab.path("ca"))
    port, peer, stalled = heka.free_port(), lab.keep(HttpPeer(tls=authority.make("nagios"))), []
    blocker = threading.Event()

    def stall(_, request):
        """Once for each: longer than the default, or until the end of the test."""
        host = urllib.parse.parse_qs(request.body.decode())["host"][0]
        if b"slow" in request.body and host not in stalled:
            stalled.append(host)
            blocker.wait(3 if host == "patient" else 60)
        return False
    peer.stream = stall
    agent = lab.agent("agent", INPUT % port + """
[NagiosOutput]
message_matcher = "TRUE"
url = "https://localhost:%d/cgi-bin/cmd.cgi"
username = "me"
password = "secret"
nagios_host = "a host"
nagios_service_description = "a&service"
response_header_timeout = 1
use_tls = true
[NagiosOutput.tls]
root_cafile = "%s"

[patient]
type = "NagiosOutput"
message_matcher = "Payload == 'slow:slow'"
url = "https://localhost:%d/cgi-bin/cmd.cgi"
nagios_host = "patient"
response_header_timeout = 60
use_tls = true
[patient.tls]
root_cafile = "%s"
""" % (peer.port, authority.file, peer.port, authority.file))
    payloads = {"OK: fine": ("0", " fine"), "WARNING:a:b": ("1", "a:b"),
                "CRITICAL:": ("2", ""), "what": ("3", "what"), "slow:slow": ("3", "slow")}
    send(port, *payloads)
    row = delivered(agent, "NagiosOutput", len(payloads))
    assert delivered(agent, "patient", 1)["plugin"] == {"checks": 1, "failures": 0}
    blocker.set()
    assert row["plugin"] == {"checks": 5, "failures": 1}
    ours = [request for request in peer.seen() if b"patient" not in request.body]
    forms = [urllib.parse.parse_qsl(request.body.decode(), True) for request in ours]
    assert forms[0] == [("cmd_mod", "2"), ("cmd_typ", "30"), ("host", "a host"),
                        ("performance_data", ""), ("plugin_output", " fine"),
                        ("plugin_state", "0"), ("service", "a&service")]
    found = [(dict(form)["plugin_state"], dict(form)["plugin_output"]) for form in forms[:5]]
    assert found == list(payloads.values())
    assert ours[0].headers["Authorization"] == basic("me", "secret")
    assert ours[0].headers["Content-Type"] == "application/x-www-form-urlencoded"
    agent.stop()


def test_nagios_by_send_nsca(lab):
    """[option NagiosOutput.send_nsca_bin] [option NagiosOutput.send_nsca_args]
    [option NagiosOutput.send_nsca_timeout]"""
    port, made = heka.free_port(), lab.path("nsca")
    with open(made, "w", encoding="ascii") as script:
        script.write('#!/bin/sh\nif [ ! -e "$1.once" ]; then touch "$1.once"; sleep 600; fi\n'
                     'if [ ! -e "$1.twice" ]; then touch "$1.twice"; exit 3; fi\n'
                     'echo "$2" >> "$1"; cat >> "$1"\n')
    os.chmod(made, stat.S_IRWXU)
    agent = lab.agent("agent", INPUT % port + """
[NagiosOutput]
message_matcher = "TRUE"
send_nsca_bin = "%s"
send_nsca_args = ["%s", "two words"]
send_nsca_timeout = 1
nagios_host = "h\\tost"
""" % (made, lab.path("got")))
    send(port, "CRITICAL:down\nand\tout")
    row = delivered(agent, "NagiosOutput", 1)
    assert row["plugin"] == {"checks": 1, "failures": 2}
    with open(lab.path("got"), encoding="ascii") as got:
        assert got.read() == "two words\nh ost\tapp\t2\tdown\\nand\tout\n"
    log = agent.process.output("err")
    assert "the command did not end within 1000 ms" in log
    agent.stop()


def test_refused_options(lab):
    """What -check says of options that make no sense."""
    with open(lab.path("hekad.toml"), "w", encoding="ascii") as file:
        file.write(ENCODER + """
[HttpOutput]
message_matcher = "TRUE"
address = "ftp://localhost/"
method = "HEAD"
encoder = "ESJsonEncoder"

[ElasticSearchOutput]
message_matcher = "TRUE"
server = "udp://localhost"
encoder = "ESJsonEncoder"

[noone]
type = "ElasticSearchOutput"
message_matcher = "TRUE"
ticker_interval = 1
server = "https://localhost"
[noone.tls]
min_version = "TLS99"

[NagiosOutput]
message_matcher = "TRUE"
url = "localhost"
""")
    done = subprocess.run([heka.HEKAD, "-config", lab.path("hekad.toml"), "-check"],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    for wanted in ("address: found 'ftp://localhost/'", "HTTP Method must be POST, GET, or PUT.",
                   "server: found 'udp://localhost'", "can't support a ticker_interval setting",
                   "Invalid MinVersion: TLS99", "Encoder required.", "url: found 'localhost'"):
        assert wanted in done.stderr, done.stderr
