# SPDX-License-Identifier: MPL-2.0
"""KafkaInput against librdkafka's mock cluster. What its options become at the client is in
tests/unit/control/test_kafka_link.c."""
import os
import signal
import struct

import heka
import pytest
from heka_wire import frames
from kafka_cluster import Cluster

# [option KafkaInput.addrs] [option KafkaInput.topic] [option KafkaInput.partition]
INPUT = """
[in]
type = "KafkaInput"
addrs = %s
topic = "logs"
partition = 1
%s
[in.retries]
delay = "50ms"
max_jitter = "1ms"

[file]
type = "FileOutput"
message_matcher = "Type == 'heka.kafka'"
path = "{dir}/messages.heka"
encoder = "ProtobufEncoder"
flush_interval = 50
"""


@pytest.fixture(name="cluster")
def make_cluster(lab):
    return lab.keep(Cluster())


def messages(lab, count):
    def read():
        path = lab.path("agent", "messages.heka")
        with open(path if os.path.exists(path) else os.devnull, "rb") as file:
            found = frames(file.read())[0]
        return found if len(found) >= count else None
    return heka.wait_for(f"{count} messages", read, 30)


def checkpoint(lab):
    with open(lab.path("agent", "base", "kafka", "in.logs.1.offset.bin"), "rb") as file:
        return struct.unpack("<q", file.read())[0]


def test_input_goes_on_where_it_was(lab, cluster):
    """[option KafkaInput.max_message_size]"""
    cluster.topic("logs", 2)
    cluster.put("logs", 0, "of another partition")
    cluster.put("logs", 1, "zero", key="k0")
    cluster.put("logs", 1, "one", "x" * 300, "three")
    agent = lab.agent("agent", INPUT % (cluster.toml(), "max_message_size = 250"))
    found = messages(lab, 3)
    assert [row["Payload"] for row in found] == ["zero", "one", "three"]
    assert found[0]["Logger"] == "in" and found[0]["Hostname"] == "agent"
    assert found[0]["Fields"] == [("Key", [b"k0"]), ("Topic", ["logs"]), ("Partition", [1]),
                                  ("Offset", [0])]
    assert dict(found[2]["Fields"])["Offset"] == [3] and dict(found[2]["Fields"])["Key"] == [b""]
    heka.wait_for("the place to be written", lambda: checkpoint(lab) == 4, 30)
    assert agent.input("in")["too_large"] == 1 and agent.input("in")["records"] == 4
    agent.settle()
    agent.stop()
    cluster.put("logs", 1, "four")
    agent.start()
    assert [row["Payload"] for row in messages(lab, 4)] == ["zero", "one", "three", "four"]
    for turn in range(3):
        cluster.put("logs", 1, *[f"{turn} {number}" for number in range(20)])
        agent.process.stop(signal.SIGKILL)
        agent.start()
    found = messages(lab, 64)
    heka.wait_for("the place to be written", lambda: checkpoint(lab) == 65, 30)
    agent.settle()
    assert {row["Payload"] for row in messages(lab, 64)} >= {
        f"{turn} {number}" for turn in range(3) for number in range(20)}
    agent.stop()


def test_input_whose_place_is_gone(lab, cluster):
    cluster.topic("logs", 2)
    cluster.put("logs", 1, "zero", "one")
    os.makedirs(lab.path("agent", "base", "kafka"))
    with open(lab.path("agent", "base", "kafka", "in.logs.1.offset.bin"), "wb") as file:
        file.write(struct.pack("<q", 1000000))
    agent = heka.Agent.__new__(heka.Agent)  # its folder is there already
    agent.name, agent.options = "agent", {}
    heka.Appliance.__init__(agent, lab.path("agent"), heka.Here, INPUT % (cluster.toml(), ""),
                            the_map={"unused": True})
    lab.keep(agent)
    assert [row["Payload"] for row in messages(lab, 2)] == ["zero", "one"]
    assert "removing the out of range checkpoint file" in agent.process.output("err")
    heka.wait_for("the place to be written", lambda: checkpoint(lab) == 2, 30)
    agent.stop()


def test_input_oldest_and_newest(lab, cluster):
    """[option KafkaInput.offset_method]"""
    cluster.topic("logs", 2)
    cluster.put("logs", 1, "zero", "one")
    sections = INPUT % (cluster.toml(), 'offset_method = "Oldest"')
    agent = lab.agent("agent", sections)
    messages(lab, 2)
    agent.stop()
    agent.start()
    assert [row["Payload"] for row in messages(lab, 4)] == ["zero", "one"] * 2
    assert not os.path.exists(lab.path("agent", "base", "kafka", "in.logs.1.offset.bin"))
    agent.stop()
    agent.rewrite(sections.replace("Oldest", "Newest"))
    agent.start()
    count = [0]

    def arrives():
        count[0] += 1
        cluster.put("logs", 1, f"new {count[0]}")
        with open(lab.path("agent", "messages.heka"), "rb") as file:
            return len(frames(file.read())[0]) > 4
    heka.wait_for("a new message", arrives, 30)
    assert all(row["Payload"].startswith("new ") for row in messages(lab, 5)[4:])
    agent.stop()
