# SPDX-License-Identifier: MPL-2.0
"""KafkaOutput against librdkafka's mock cluster. What its options become at the client is in
tests/unit/control/test_kafka_link.c."""
import collections
import socket

import heka
import pytest
from heka_encode import frame, message
from kafka_cluster import Cluster

# [option KafkaOutput.addrs] [option KafkaOutput.topic]
OUTPUT = """
[app]
type = "UdpInput"
address = "127.0.0.1:%d"

[out]
type = "KafkaOutput"
message_matcher = "Type == 'app'"
encoder = "PayloadEncoder"
addrs = %s
%s

[PayloadEncoder]
append_newlines = false
"""


@pytest.fixture(name="cluster")
def make_cluster(lab):
    return lab.keep(Cluster())


def send(port, payloads):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for payload in payloads:
            sender.sendto(payload.encode(), ("127.0.0.1", port))


def written(agent, count):
    agent.wait(f"{count} messages to be written", lambda status: agent.consumer(
        "out", status)["delivered"] >= count)
    return agent.consumer("out", agent.settle())


def fnv1a(data):
    """The partition is the remainder of the hash as a signed number, without its sign."""
    out = 2166136261
    for byte in data:
        out = ((out ^ byte) * 16777619) & 0xFFFFFFFF
    signed = out - (1 << 32) if out >> 31 else out
    return abs(signed) % 3


def test_output_partitions(lab, cluster):
    """[option KafkaOutput.max_message_bytes] [option KafkaOutput.partitioner]
    [option KafkaOutput.hash_variable]"""
    port = heka.free_port()
    others = "".join(f"""
[{name}]
type = "KafkaOutput"
message_matcher = "Type == 'app'"
encoder = "PayloadEncoder"
addrs = {cluster.toml()}
topic = "{name}"
{more}
""" for name, more in (("rr", 'partitioner = "RoundRobin"'),
                       ("hash", 'partitioner = "Hash"\nhash_variable = "Payload"')))
    for name in ("t", "rr", "hash"):
        cluster.topic(name, 3)
    agent = lab.agent("agent", OUTPUT % (port, cluster.toml(),
                                         'topic = "t"\nmax_message_bytes = 2000') + others)
    send(port, ["line 0"])
    for name in ("out", "rr", "hash"):  # then it knows the leaders of all partitions
        agent.wait("the first one to be written", lambda status, name=name:
                   agent.consumer(name, status)["delivered"] == 1)
    send(port, [f"line {number}" for number in range(1, 298)] + ["x" * 2001, "y" * 2000])
    row = written(agent, 299)
    assert row["ends"] == {"too_large": 1} and row["plugin"]["written"] == 299, row
    found = cluster.messages("t", 3)
    assert {message[3] for message in found} == {f"line {n}".encode() for n in range(298)} | \
        {b"y" * 2000}
    assert len(found) == 299 and {message[0] for message in found} == {0, 1, 2}
    assert {message[2] for message in found} == {None}
    counts = collections.Counter(message[0] for message in cluster.messages("rr", 3))
    assert counts == {0: 100, 1: 100, 2: 100}
    found = cluster.messages("hash", 3)
    assert len(found) == 300
    for partition, _, key, value in found:
        assert key == value and partition == fnv1a(key)
    agent.stop()


PAIRS = [("None", "NoResponse"), ("GZIP", "WaitForLocal"), ("Snappy", "WaitForAll")]


def test_output_topics_and_codecs(lab, cluster):
    """[option KafkaOutput.topic_variable]; with each codec and each kind of acknowledgement."""
    port = heka.free_port()
    outputs = "".join(f"""
[{codec}-{acks}]
type = "KafkaOutput"
message_matcher = "Type == 'app'"
encoder = "PayloadEncoder"
addrs = {cluster.toml()}
topic = "codecs"
compression_codec = "{codec}"
required_acks = "{acks}"
max_buffer_time = 20
max_buffered_bytes = 100000
""" for codec, acks in PAIRS)
    for name in ("a.b", "c-d_1", "codecs"):
        cluster.topic(name, 1)
    agent = lab.agent("agent", OUTPUT % (port, cluster.toml(),
                                         'topic_variable = "Payload"') + outputs)
    sent = ["a.b", "no topic", "c-d_1", "", "x" * 250, "a.b"]
    send(port, sent)
    row = written(agent, 3)
    assert row["ends"] == {"bad_topic": 2}, row
    assert len(cluster.messages("a.b")) == 2 and len(cluster.messages("c-d_1")) == 1
    for codec, acks in PAIRS:
        agent.wait("all to be written", lambda status, name=f"{codec}-{acks}":
                   agent.consumer(name, status)["delivered"] == 5)
    assert sorted(message[3].decode() for message in cluster.messages("codecs")) == \
        sorted(text for text in 3 * sent if text)
    agent.stop()


def test_output_variables_of_fields(lab, cluster):
    """Values of all types as topic and key; a field that is not there is an empty key."""
    port = heka.free_port(socket.SOCK_STREAM)
    cluster.topic("7", 1)
    agent = lab.agent("agent", f"""
[app]
type = "TcpInput"
address = "127.0.0.1:{port}"

[out]
type = "KafkaOutput"
message_matcher = "Type == 'x'"
encoder = "PayloadEncoder"
addrs = {cluster.toml()}
topic_variable = "Fields[t][0]"
partitioner = "Hash"
hash_variable = "Fields[k][0][0]"

[PayloadEncoder]
append_newlines = false
""")
    keys = ["text", b"bytes", -5, 0.1, True, 1e21]
    with socket.create_connection(("127.0.0.1", port)) as sender:
        for number, key in enumerate(keys):
            sender.sendall(frame(message({"t": 7, "k": key}, type="x", payload=str(number))))
        sender.sendall(frame(message({"t": 7}, type="x", payload="6")))
        sender.sendall(frame(message({"k": "no topic"}, type="x", payload="7")))
    row = written(agent, 7)
    assert row["ends"] == {"bad_topic": 1}, row
    assert [found[2:] for found in cluster.messages("7")] == [
        (b"text", b"0"), (b"bytes", b"1"), (b"-5", b"2"), (b"0.1", b"3"), (b"true", b"4"),
        (b"1e+21", b"5"), (b"", b"6")]
    agent.stop()


def test_output_when_brokers_fail(lab, cluster):
    """Errors, and nobody there: everything arrives, at least once."""
    port = heka.free_port()
    cluster.topic("t", 1)
    agent = lab.agent("agent", OUTPUT % (port, cluster.toml(), 'topic = "t"\ntimeout = 500'))
    send(port, [f"line {number}" for number in range(50)])
    written(agent, 50)
    for broker in (1, 2):
        cluster.ask(f"down {broker}")
    send(port, [f"line {number}" for number in range(50, 100)])
    agent.wait("them to wait", lambda status: agent.consumer("out", status)["matched"] == 100)
    for broker in (1, 2):
        cluster.ask(f"up {broker}")
    cluster.ask("fail 0 3")
    row = written(agent, 100)
    assert row["delivered"] == 100, row
    assert {message[3] for message in cluster.messages("t")} == {f"line {n}".encode()
                                                                 for n in range(100)}
    agent.stop()


def test_refused(lab):
    head = '[KafkaOutput]\nmessage_matcher = "TRUE"\nencoder = "ProtobufEncoder"\n'
    for options, text in [
            (head + 'addrs = []\ntopic = "t"', "addrs must have at least one entry"),
            (head + 'addrs = ["x"]\ntopic = "t"', "allowed HOST:PORT"),
            (head + 'addrs = ["x:1"]', "invalid topic_variable: "),
            (head + 'addrs = ["x:1"]\ntopic = "t"\ntopic_variable = "Type"',
             "topic and topic_variable cannot both be set"),
            (head + 'addrs = ["x:1"]\ntopic = "t"\nhash_variable = "Type"',
             "hash_variable should not be set for the Random partitioner"),
            (head + 'addrs = ["x:1"]\ntopic = "t"\npartitioner = "Hash"\n'
             'hash_variable = "Fields[x"', "invalid hash_variable: Fields[x"),
            (head + 'addrs = ["x:1"]\ntopic = "t"\nrequired_acks = "Some"', "WaitForLocal"),
            ('[KafkaInput]\naddrs = ["x:1"]\ntopic = "a/b"', "allowed the name of a topic"),
            ('[KafkaInput]\naddrs = ["x:1"]', "topic")]:
        with open(lab.path("bad.toml"), "w", encoding="utf-8") as file:
            file.write(options + "\n")
        done = lab.process("check", [heka.HEKAD, "-config", lab.path("bad.toml"), "-check"])
        assert done.wait() == 1
        assert text in done.output("err") + done.output(), done.logs()
