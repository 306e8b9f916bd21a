# SPDX-License-Identifier: MPL-2.0
"""One output stands still, for seconds (HEKA_SOAK=N: N times 30 s) under load: what the others get,
what it gets itself by its policy, and how much memory that takes."""
import os
import threading
import time

import pytest

import heka
from heka_wire import TcpPeer

pytestmark = heka.needs_namespaces

SOAK = int(os.environ.get("HEKA_SOAK", "0"))
STALL_S = 30 * SOAK if SOAK else 2
TEXT_BYTES = 1000
BURST = 200
LANE_MBYTES = 1
GROWTH_KBYTES = 24 << 10  # batches and queue buffers of a consumer, and the allocator's slack

CONFIG = """
[app]
type = "UdpInput"
address = "192.0.2.1:5514"

[stuck]
type = "TcpOutput"
message_matcher = "TRUE"
address = "127.0.0.1:%d"
encoder = "PayloadEncoder"
%s

[first]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/first.txt"
encoder = "PayloadEncoder"

[second]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/second.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = true
"""

POLICIES = {
    "block": "use_buffering = false",
    "drop": 'use_buffering = false\nlane_policy = "drop"',
    "queue": "use_buffering = true",
}


def own_kbytes(pid):
    """Memory of the process that is no file and no lane."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))


def lane_bytes(appliance):
    """What the run directory's files take: lanes, segment, cursors."""
    return sum(os.path.getsize(os.path.join(where, name))
               for where, _, files in os.walk(appliance.run_dir) for name in files
               if name.startswith(("lane", "segment", "cursors")))


class Load:
    """Sends texts with numbers until it is told to stop."""

    def __init__(self, appliance, sender):
        self.appliance, self.sender = appliance, sender
        self.sent, self.error = 0, None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def burst(self):
        texts = [f"{number:08} ".encode().ljust(TEXT_BYTES - 1, b"x")
                 for number in range(self.sent, self.sent + BURST)]
        heka.send(self.sender, texts, self.appliance, "datagrams_text")
        self.sent += BURST

    def run(self):
        try:
            while not self.is_over.is_set():
                self.burst()
        except Exception as error:  # shown by stop()
            self.error = error

    def start(self):
        self.thread.start()

    def stop(self):
        self.is_over.set()
        self.thread.join()
        if self.error is not None:
            raise self.error


def numbers(text):
    return [int(line.split()[0]) for line in text.splitlines()]


def stall(appliance, load):
    """Returns the largest memory while the output stands still, above that of before."""
    load.burst()
    pid = appliance.status()["pid"]
    before, lanes, most = own_kbytes(pid), lane_bytes(appliance), 0
    load.start()
    end = time.monotonic() + STALL_S
    while time.monotonic() < end:
        most = max(most, own_kbytes(pid) - before)
        heka.assert_balanced(appliance.status())
        time.sleep(0.1)
    load.stop()
    assert lane_bytes(appliance) == lanes
    return most


def is_blocked(appliance):
    stuck = appliance.consumer("stuck")
    return stuck["queued"] + stuck["in_flight"] + stuck["held"] > 0


@pytest.mark.parametrize("policy", POLICIES)
def test_one_output_stands_still(lab, policy):
    wire = lab.wire()
    peer = lab.keep(TcpPeer(wire.inner, reads=False))
    appliance = lab.appliance(wire.inner, CONFIG % (peer.port, POLICIES[policy]),
                              the_map=heka.core_map(lane_mbytes=LANE_MBYTES))
    load = Load(appliance, wire.udp(port=5514))
    growth_kbytes = stall(appliance, load)
    while policy != "queue" and not loss(appliance, policy):  # the lane is larger than what came
        load.burst()
    assert growth_kbytes < GROWTH_KBYTES
    assert is_blocked(appliance)
    status = appliance.wait("the others to have theirs", lambda status: not any(
        row["in_flight"] or row["held"] for row in status["consumers"] if row["name"] != "stuck"))
    heka.assert_balanced(status)
    counters = status["dataplane"]["counters"]
    lost = counters["messages_lane_full"]
    came = load.sent - counters["messages_staged"]  # the last ones wait in the worker
    for name in ("first", "second"):
        row = appliance.consumer(name, status)
        assert row["delivered"] == came - lost and row["lane_full"] == 0 and not row["ends"]
    check_stuck(appliance.consumer("stuck", status), policy, came, lost)
    peer.may_read.set()
    status = appliance.settle()
    stuck = appliance.consumer("stuck", status)
    dropped = stuck["ends"].get("lane_drop", 0)
    assert stuck["delivered"] == load.sent - lost - dropped
    heka.wait_for("the peer to have all", lambda: sum(
        stream.count(b"\n") for stream in peer.streams) >= stuck["delivered"])
    appliance.stop()
    got = numbers(b"".join(peer.streams).decode())
    assert len(got) == len(set(got)) == load.sent - lost - dropped
    assert got == sorted(got)
    assert numbers(lab.read("first.txt")) == numbers(lab.read("second.txt"))
    assert lost > 0 or numbers(lab.read("first.txt")) == list(range(load.sent))
    assert set(got) <= set(numbers(lab.read("first.txt")))


def loss(appliance, policy):
    status = appliance.status()
    if policy == "drop":
        return appliance.consumer("stuck", status)["ends"].get("lane_drop", 0)
    return status["dataplane"]["counters"]["messages_lane_full"]


def check_stuck(stuck, policy, sent, lost):
    """While it stands still."""
    if policy == "block":  # back-pressure: what found no room has its name
        assert lost == stuck["lane_full"] > 0 and not stuck["ends"]
        assert stuck["matched"] == sent - lost
        return
    assert lost == 0 and stuck["lane_full"] == 0 and stuck["matched"] == sent
    if policy == "drop":
        assert stuck["ends"]["lane_drop"] > 0
        assert stuck["in_flight"] + stuck["held"] <= (LANE_MBYTES << 20) // TEXT_BYTES + 2 * 1024
    else:
        assert stuck["in_flight"] + stuck["held"] + stuck["queued"] + stuck["delivered"] == sent
        assert stuck["queue"]["bytes"] >= stuck["queued"] * TEXT_BYTES
