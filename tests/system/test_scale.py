# SPDX-License-Identifier: MPL-2.0
"""A million names: exact totals in bounded, stated memory; beyond the bound a visible overflow."""
import os
import struct

import heka

NAMES = 1_000_000
EACH = 40  # lines in a datagram
BASE_BYTES = 512 << 20  # programs, libraries, DPDK's memory, lanes

CONFIG = """
[StatsdInput]
address = "192.0.2.1:8125"

[StatAccumInput]
ticker_interval = 3600
names_max = %d
timer_samples_max = 1000

[stats]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/stats.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""

PLAN = {
    "hostname": "replayed", "max_message_size": 1 << 20,
    "accumulators": [{"name": "StatAccumInput", "names_max": NAMES}],
    "listeners": [{"name": "StatsdInput", "kind": "statsd", "address": "192.0.2.1:8125",
                   "accumulator": "StatAccumInput"}],
    "consumers": [{"name": "all", "message_matcher": "TRUE"}],
}


def value_of(index):
    return index % 97 + 1


def datagrams(first, last):
    for start in range(first, last, EACH):
        yield "\n".join(f"app.shard{index % 64:02}.user{index:07}:{value_of(index)}|c"
                        for index in range(start, min(start + EACH, last))).encode()


def counts(lines):
    """({index: sum of .count}, {other series: last value}) of payload lines."""
    found, other = {}, {}
    for line in lines:
        name, value, _ = line.split()
        if name.endswith(".count") and ".user" in name:
            index = int(name[-len("0000000.count"):-len(".count")])
            found[index] = found.get(index, 0) + int(value)
        elif not name.endswith(".rate"):
            other[name] = value
    return found, other


def rss_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS:"))


@heka.needs_namespaces
def test_a_million_names_through_the_port(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG % NAMES)
    at_start = appliance.status()["dataplane"]["accum_bytes"]
    heka.send(wire.udp(), list(datagrams(0, NAMES)), appliance)
    status = appliance.wait("all lines", lambda status: (
        status["dataplane"]["counters"]["samples_counter"] == NAMES))
    heka.assert_balanced(status)
    plane = status["dataplane"]
    rss = rss_bytes(plane["pid"])
    print(f"{NAMES} names: accum_bytes {plane['accum_bytes']}, VmRSS {rss}, at start {at_start}")
    assert 0 < plane["accum_bytes"] <= bound_of(NAMES)
    assert plane["accum_bytes"] <= at_start, "it is all there from the start"
    assert rss <= plane["accum_bytes"] + BASE_BYTES
    appliance.stop()
    with open(lab.path("stats.txt"), encoding="utf-8") as file:
        found, other = counts(file)
    assert len(found) == NAMES
    assert all(found[index] == value_of(index) for index in range(NAMES))
    assert other == {"stats.statsd.numStats": str(NAMES)}


def bound_of(names_max):
    """Bytes that the configuration allows; names here are shorter than the average it plans for."""
    return names_max * 512 + (16 << 20)


@heka.needs_namespaces
def test_names_beyond_the_bound_are_seen(lab):
    """Known names go on exactly; samples of new ones are counted, and are a series of their own."""
    limit, more = 20_000, 5_000
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG % limit)
    sender = wire.udp()
    heka.send(sender, list(datagrams(0, limit)), appliance)
    heka.send(sender, list(datagrams(limit, limit + more)), appliance)
    heka.send(sender, list(datagrams(0, limit)), appliance)
    lines = 2 * limit + more
    status = appliance.wait("all lines", lambda status: (
        status["dataplane"]["counters"]["statsd_lines"] == lines))
    heka.assert_balanced(status)
    counters = status["dataplane"]["counters"]
    assert counters["samples_counter"] == 2 * limit
    assert counters["samples_no_name_room"] == more
    assert status["dataplane"]["accum_bytes"] <= bound_of(limit)
    appliance.stop()
    found, other = counts(lab.read("stats.txt").splitlines())
    assert found == {index: 2 * value_of(index) for index in range(limit)}
    assert other == {"stats.statsd.numStats": str(limit), "stats.statsd.overflow": str(more)}


def write_trace(path):
    """A classic pcap of whole frames, with sums left to be 0 (which UDP over IPv4 allows)."""
    ether = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00"
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for payload in datagrams(0, NAMES):
            udp = struct.pack(">HHHH", 4000, 8125, 8 + len(payload), 0) + payload
            head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                               bytes([192, 0, 2, 2]), bytes([192, 0, 2, 1]))
            total = sum(struct.unpack(">10H", head))
            total = (total & 0xFFFF) + (total >> 16)
            head = head[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
            frame = ether + head + udp
            file.write(struct.pack("<IIII", 1_700_000_000, 0, len(frame), len(frame)) + frame)


def test_a_million_names_by_replay(lab):
    write_trace(lab.path("million.pcap"))
    plan = heka.write_json(lab.path("plan.json"), PLAN)
    messages, ledger, _ = heka.replay(lab.path("million.pcap"), "--plan", plan)
    assert ledger["residual"] == 0
    assert ledger["counters"]["samples_flushed"] == NAMES
    found, other = counts(line for message in messages
                          for line in message["message"]["Payload"].splitlines())
    assert len(found) == NAMES
    assert all(found[index] == value_of(index) for index in range(NAMES))
    assert other == {"stats.statsd.numStats": str(NAMES)}
    assert os.path.getsize(lab.path("million.pcap")) > 20 << 20
