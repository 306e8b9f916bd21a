# SPDX-License-Identifier: MPL-2.0
"""An output whose peer does not read: loss has a name and a number, statistics wait."""
import heka
from heka_wire import TcpPeer

pytestmark = heka.needs_namespaces

CONFIG = """
[app]
type = "UdpInput"
address = "192.0.2.1:5514"

[StatsdInput]
address = "192.0.2.1:8125"

[StatAccumInput]
ticker_interval = 1

[stuck]
type = "TcpOutput"
message_matcher = "TRUE"
address = "127.0.0.1:%d"
use_buffering = false

[file]
type = "FileOutput"
message_matcher = "Logger == 'app'"
path = "{dir}/app.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
"""

TEXT_BYTES = 1000
NAMES = 10000


def stuck_and_file(appliance, status):
    return appliance.consumer("stuck", status), appliance.consumer("file", status)


def test_text_is_dropped_and_counted_against_the_slow_one(lab):
    wire = lab.wire()
    peer = lab.keep(TcpPeer(wire.inner, reads=False))
    appliance = lab.appliance(wire.inner, CONFIG % peer.port, the_map=heka.core_map(lane_mbytes=1))
    sender = wire.udp(port=5514)
    sent = 0
    while appliance.counters()["messages_lane_full"] == 0:
        datagrams = [f"{sent + index:06}".encode().ljust(TEXT_BYTES, b".") for index in range(500)]
        heka.send(sender, datagrams, appliance, "datagrams_text")
        sent += len(datagrams)
        assert sent < 100_000, "the lane never got full"
    status = appliance.wait("the file to be written", lambda status: (
        appliance.consumer("file", status)["in_flight"] == 0))
    heka.assert_balanced(status)
    counters = status["dataplane"]["counters"]
    stuck, file = stuck_and_file(appliance, status)
    assert stuck["lane_full"] == counters["messages_lane_full"] > 0
    assert file["lane_full"] == 0
    committed = sent - counters["messages_lane_full"]
    assert 0 < counters["messages_staged"] <= 64, "the last ones wait for room in the worker"
    assert (counters["text_messages"] == sent and
            file["delivered"] == committed - counters["messages_staged"])
    peer.may_read.set()
    status = appliance.settle()
    stuck, file = stuck_and_file(appliance, status)
    assert stuck["matched"] == stuck["delivered"] >= committed
    heka.wait_for("the peer to have all", lambda: len(
        [None for message in peer.messages() if message["Logger"] == "app"]) >= committed)
    appliance.stop()
    got = [message["Payload"] for message in peer.messages() if message["Logger"] == "app"]
    assert got == lab.read("app.txt").split("\n")[:-1]
    assert len(set(got)) == committed


def total_count(messages):
    total = 0
    for message in messages:
        if message["Type"] == "heka.statmetric":
            for line in message["Payload"].splitlines():
                name, value, _ = line.split()
                total += int(value) if name.endswith(".count") else 0
    return total


def is_waiting(appliance, status):
    """A flush waits for room while several rounds are aggregated behind it."""
    if status is None:
        return False
    sample = next(stage for stage in status["stages"] if stage["stage"] == "sample")
    stuck = appliance.consumer("stuck", status)
    return (status["dataplane"]["counters"]["flush_waits"] > 0 and
            stuck["in_flight"] + stuck["held"] > 0 and sample["in_flight"] >= 5 * NAMES)


def test_statistics_wait_and_lose_nothing(lab):
    """Flushes larger than the lane wait for room, while counting goes on; then all sums arrive."""
    wire = lab.wire()
    peer = lab.keep(TcpPeer(wire.inner, reads=False))
    appliance = lab.appliance(wire.inner, CONFIG % peer.port, the_map=heka.core_map(lane_mbytes=1))
    sender = wire.udp()
    datagrams = heka.pack([f"some.rather.long.name.to.fill.the.lane.{index:05}:1|c"
                           for index in range(NAMES)])
    rounds, status = 0, None
    while not is_waiting(appliance, status):
        heka.send(sender, datagrams, appliance)
        rounds += 1
        status = appliance.status()
        assert rounds < 500, f"no flush had to wait: {status}"
    heka.assert_balanced(status)
    assert status["dataplane"]["counters"]["messages_lane_full"] == 0
    peer.may_read.set()
    appliance.settle(rounds * NAMES)
    heka.wait_for("all sums", lambda: total_count(peer.messages()) >= rounds * NAMES)
    assert appliance.counters()["messages_lane_full"] == 0
    appliance.stop()
    assert total_count(peer.messages()) == rounds * NAMES
