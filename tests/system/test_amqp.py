# SPDX-License-Identifier: MPL-2.0
"""AMQPInput and AMQPOutput against a broker of our own: what they declare, and that nothing is lost
when it refuses, is silent, or goes away."""
import os
import shutil
import socket
import ssl

import heka
import pytest
from amqp_broker import Broker, Reader
from heka_wire import frames

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")

# [option AMQPInput.url] [option AMQPInput.exchange] [option AMQPInput.exchange_type]
# [option AMQPInput.queue] [option AMQPInput.queue_auto_delete]
INPUT = """
[in]
type = "AMQPInput"
url = "amqp://me:secret%%21@127.0.0.1:%d/host"
exchange = "logs"
exchange_type = "topic"
queue = "mine"
queue_auto_delete = false
splitter = "TokenSplitter"
[in.retries]
delay = "50ms"
max_jitter = "1ms"

[lines]
type = "FileOutput"
message_matcher = "Type == 'amqp'"
path = "{dir}/lines.txt"
encoder = "PayloadEncoder"
flush_interval = 50

[PayloadEncoder]
append_newlines = false
"""

# [option AMQPOutput.url] [option AMQPOutput.exchange] [option AMQPOutput.exchange_type]
OUTPUT = """
[app]
type = "UdpInput"
address = "127.0.0.1:%d"

[out]
type = "AMQPOutput"
message_matcher = "Type == 'app'"
url = "amqp://127.0.0.1:%d"
exchange = "out"
exchange_type = "fanout"
"""
QUICK = """
[out.retries]
delay = "50ms"
max_jitter = "1ms"
"""


def send(port, numbers):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in numbers:
            sender.sendto(f"line {number}".encode(), ("127.0.0.1", port))


def payloads(broker):
    return [frames(message.body)[0][0]["Payload"] for message in list(broker.published)]


def read(lab):
    path = lab.path("agent", "lines.txt")
    return lab.read("agent", "lines.txt").splitlines() if os.path.exists(path) else []


def test_input_declares_and_acknowledges(lab):
    """[option AMQPInput.routing_key] [option AMQPInput.exchange_durability]
    [option AMQPInput.exchange_auto_delete] [option AMQPInput.queue_durability]
    [option AMQPInput.queue_exclusive] [option AMQPInput.queue_ttl]
    [option AMQPInput.prefetch_count] [option inputs.splitter]"""
    broker = Broker()
    agent = lab.agent("agent", INPUT.replace('queue = "mine"', """queue = "mine"
routing_key = "a.#"
exchange_durability = true
exchange_auto_delete = false
queue_durability = true
queue_exclusive = true
queue_ttl = 5000
prefetch_count = 3""") % broker.port)
    heka.wait_for("a consumer", lambda: broker.clients and broker.clients[0].consumer, 30)
    client = broker.clients[0]
    assert broker.logins == [("PLAIN", b"\0me\0secret!")] and client.vhost == "host"
    assert broker.exchanges == {"logs": ("topic", True, False)}
    queue = broker.queues["mine"]
    assert queue.options == {"durable": True, "exclusive": True, "auto_delete": False}
    assert queue.arguments == {"x-message-ttl": 5000} and queue.bindings == [("logs", "a.#")]
    assert client.prefetch == 3 and client.is_exclusive
    broker.publish("logs", "a.b", b"one\ntwo\n", b"three\nrest", b"", b"x" * 60000 + b"\n")
    broker.publish("logs", "b.a", b"not for us\n")
    heka.wait_for("all to be acknowledged", lambda: not queue.messages and
                  not client.unacknowledged and client.tag == 4, 30)
    agent.settle()
    assert read(lab) == ["one", "two", "three", "x" * 60000]
    assert agent.stage("text")["ends"]["text_incomplete"] == 1
    assert agent.input("in")["deliveries"] == 4
    agent.stop()


def test_input_when_the_broker_goes_away(lab):
    """It comes again, and nothing is lost."""
    broker = Broker()
    agent = lab.agent("agent", INPUT.replace('queue = "mine"', 'queue = "mine"\n'
                                             'routing_key = "#"') % broker.port)
    heka.wait_for("a consumer", lambda: broker.clients and broker.clients[0].consumer, 30)
    for turn in range(5):
        broker.publish("logs", "k", *[f"{turn} {number}\n".encode() for number in range(50)])
        broker.kill()
        heka.wait_for("another connection", lambda count=turn + 2: broker.connections >= count and
                      broker.clients and broker.clients[0].consumer, 30)
    queue = broker.queues["mine"]
    heka.wait_for("all to be acknowledged", lambda: not queue.messages and broker.clients and
                  not broker.clients[0].unacknowledged, 30)
    agent.settle()
    assert set(read(lab)) == {f"{turn} {number}" for turn in range(5) for number in range(50)}
    assert "Input 'in' error: " in agent.process.output("err")
    agent.stop()


def test_input_without_rights(lab):
    """[option AMQPInput.read_only] [option AMQPInput.bind_queue]"""
    broker = Broker()
    broker.exchanges["logs"] = ("topic", False, True)
    text = INPUT.replace('queue = "mine"', 'queue = "mine"\nread_only = true') % broker.port
    agent = lab.agent("agent", text)
    heka.wait_for("it to be refused", lambda: "NOT_FOUND - no queue 'mine'" in
                  agent.process.output("err"), 30)
    assert broker.queues == {} and broker.exchanges == {"logs": ("topic", False, True)}
    agent.stop()
    other = Broker()
    agent = lab.agent("other", INPUT.replace('queue = "mine"', 'queue = "mine"\n'
                                             'bind_queue = false') % other.port)
    heka.wait_for("it to be refused", lambda: "NOT_FOUND" in agent.process.output("err"), 30)
    assert other.queues == {} and other.exchanges == {"logs": ("topic", False, True)}
    agent.stop()


def test_output_publishes(lab):
    """[option AMQPOutput.routing_key] [option AMQPOutput.persistent]
    [option AMQPOutput.content_type] [option AMQPOutput.exchange_durability]
    [option AMQPOutput.exchange_auto_delete]; [option AMQPOutput.serialize] is taken and ignored."""
    broker, port = Broker(), heka.free_port()
    agent = lab.agent("agent", OUTPUT % (port, broker.port) + """
routing_key = "key"
persistent = true
content_type = "text/x-heka"
exchange_durability = true
exchange_auto_delete = false
serialize = false
""")
    send(port, range(600))
    heka.wait_for("all messages", lambda: len(broker.published) >= 600, 30)
    status = agent.settle()
    assert payloads(broker) == [f"line {number}" for number in range(600)], "framed, and in order"
    assert broker.exchanges == {"out": ("fanout", True, False)}
    message = broker.published[0]
    assert (message.exchange, message.key) == ("out", "key")
    reader = Reader(message.properties)
    assert reader.number(2) == 1 << 15 | 1 << 12 | 1 << 6
    assert reader.short() == "text/x-heka" and reader.number(1) == 2
    assert agent.consumer("out", status)["plugin"]["connections"] == 1
    agent.stop()


def test_output_loses_nothing(lab):
    """[option outputs.use_framing]: refused, killed, and away at the start."""
    broker, port = Broker(), heka.free_port()
    broker.refuse = 3
    agent = lab.agent("agent", OUTPUT % (port, broker.port) + "use_framing = false\n"
                      'encoder = "PayloadEncoder"\n' + QUICK + "[PayloadEncoder]\n")
    for turn in range(5):
        send(port, range(100 * turn, 100 * (turn + 1)))
        heka.wait_for("some messages", lambda count=100 * turn + 20:
                      len(broker.published) >= count, 30)
        broker.kill()
    heka.wait_for("all messages", lambda: {message.body for message in list(broker.published)} ==
                  {f"line {number}\n".encode() for number in range(500)}, 60)
    status = agent.settle()
    row = agent.consumer("out", status)
    assert row["delivered"] == 500 and row["plugin"]["refused"] >= 1, row
    agent.stop()


def test_output_waits_for_confirmations(lab):
    """What the broker does not confirm is not delivered, and survives hekad in the disk queue."""
    broker, port = Broker(), heka.free_port()
    broker.confirms = False
    agent = lab.agent("agent", OUTPUT % (port, broker.port) + "use_buffering = true\n" + QUICK)
    send(port, range(20))
    heka.wait_for("the messages", lambda: broker.published, 30)
    agent.wait("them to be queued", lambda status: agent.consumer("out", status)["queued"] == 20)
    agent.stop()
    broker.confirms = True
    del broker.published[:]
    agent.start()
    heka.wait_for("all messages", lambda: payloads(broker) == [f"line {number}" for number in
                                                               range(20)], 30)
    agent.settle()
    agent.stop()


@needs_openssl
def test_tls(lab):
    """[option AMQPInput.tls] [option AMQPOutput.tls]"""
    key, cert = lab.path("key.pem"), lab.path("cert.pem")
    heka.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
              "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
              "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    broker, port = Broker(context), heka.free_port()
    tls = f'root_cafile = "{cert}"\n'
    output = OUTPUT % (port, broker.port) + 'encoder = "PayloadEncoder"\nuse_framing = false\n'
    sections = output + "[out.tls]\n" + tls + (INPUT % broker.port).replace(
        "[in.retries]", "[in.tls]\n" + tls + "[in.retries]").replace(
        '"logs"', '"out"').replace("topic", "fanout").replace(
        "append_newlines = false", "append_newlines = true")
    agent = lab.agent("agent", sections.replace("amqp:", "amqps:").replace(
        f"127.0.0.1:{broker.port}", f"localhost:{broker.port}"))
    heka.wait_for("a consumer", lambda: any(client.consumer for client in broker.clients), 30)
    send(port, range(3))
    heka.wait_for("what came through the broker", lambda: [line for line in read(lab) if line] ==
                  ["line 0", "line 1", "line 2"], 30)
    agent.settle()
    agent.stop()


def test_refused(lab):
    for options, text in [
            ('url = "http://x"\nexchange_type = "topic"', "allowed amqp://"),
            ('url = "amqp://x"\nexchange_type = "tropic"', "allowed fanout, direct"),
            ('url = "amqp://x"\nexchange_type = "topic"\nbind_queue = false', "queue: has to be")]:
        with open(lab.path("bad.toml"), "w", encoding="utf-8") as file:
            file.write(f'[AMQPInput]\nexchange = "x"\n{options}\n')
        done = lab.process("check", [heka.HEKAD, "-config", lab.path("bad.toml"), "-check"])
        assert done.wait() == 1
        assert text in done.output("err") + done.output(), done.logs()
