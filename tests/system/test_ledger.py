# SPDX-License-Identifier: MPL-2.0
"""The books: bad input ends in counters with names, and a wrong counter shows."""
import heka

pytestmark = heka.needs_namespaces

STATSD_PLAN = {
    "hostname": "alone", "accumulators": [{"name": "StatAccumInput", "ticker_interval": 1}],
    "listeners": [{"name": "StatsdInput", "kind": "statsd", "address": f"{heka.PORT_IP4}:8125",
                   "accumulator": "StatAccumInput"}],
    "consumers": [],
}

CONFIG = """
[StatsdInput]
address = "192.0.2.1:8125"

[StatAccumInput]
ticker_interval = 1

[stats]
type = "FileOutput"
message_matcher = "Type == 'heka.statmetric'"
path = "{dir}/stats.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""

GOOD = [f"good.{index}:1|c" for index in range(50)]
BAD = {  # counter -> lines
    "statsd_no_colon": ["nonsense", "still nonsense"],
    "statsd_no_pipe": ["a:1"],
    "statsd_no_type": ["a:1|"],
    "statsd_unknown_type": ["a:1|S", "a:1|q", "a:1|x2"],
    "statsd_bad_rate": ["a:1|c|@0", "a:1|c|@none"],
    "statsd_name_too_long": ["n" * 1100 + ":1|c"],
    "statsd_empty_name": [":1|c"],
    "statsd_bad_value": ["a:one|c", "a:nan|g"],
}


def total_counts(text):
    """Sums of all `.count` lines, by name: independent of when the flushes came."""
    sums = {}
    for line in text.split("\n"):
        name, _, rest = line.partition(" ")
        if name.endswith(".count"):
            sums[name] = sums.get(name, 0) + int(rest.split()[0])
    return sums


def test_bad_lines_and_packets_end_in_counters(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    lines = GOOD[:]
    for position, (_, bad) in enumerate(BAD.items()):
        lines[position * 5:position * 5] = bad
    datagrams = heka.pack(lines)
    heka.send(wire.udp(), datagrams, appliance)
    port_mac = wire.port_mac()
    broken = broken_frames(port_mac)
    raw = wire.raw()
    for frames in broken.values():
        for frame in frames:
            raw.send(frame)
    wanted = {name: len(frames) for name, frames in broken.items()}
    appliance.wait(f"broken frames to be counted: {wanted}", lambda status: all(
        status["dataplane"]["counters"][name] >= count for name, count in wanted.items()))
    status = appliance.settle(len(lines))
    counters = status["dataplane"]["counters"]
    for name, bad in BAD.items():
        assert counters[name] == len(bad), name
    for name, count in wanted.items():
        assert counters[name] == count, name
    assert counters["samples_counter"] == len(GOOD)
    appliance.stop()
    assert total_counts(lab.read("stats.txt")) == \
        {f"stats.counters.good.{index}.count": 1 for index in range(50)}


def broken_frames(port_mac):
    from scapy.all import IP, UDP, Ether, IPv6, Raw
    ether = Ether(src="02:00:00:00:00:02", dst=port_mac)
    to4 = ether / IP(src=heka.PEER_IP4, dst=heka.PORT_IP4)
    to6 = ether / IPv6(src=heka.PEER_IP6, dst=heka.PORT_IP6)
    bad_header = bytearray(bytes(to4 / UDP(dport=8125) / Raw("x:1|c")))
    bad_header[24] ^= 0xFF
    return {
        "ip4_bad_checksum": [bytes(bad_header)],
        "ip4_malformed": [bytes(to4 / UDP(dport=8125) / Raw("x:1|c"))[:30]],
        "udp_bad_checksum": [bytes(to4 / UDP(dport=8125, chksum=1) / Raw("x:1|c"))] * 2,
        "udp_malformed": [bytes(to4 / UDP(dport=8125, len=500) / Raw("x:1|c"))],
        "udp_no_listener": [bytes(to4 / UDP(dport=8126) / Raw("x:1|c")),
                            bytes(to6 / UDP(dport=8125) / Raw("x:1|c"))],
        "ip4_not_for_us": [bytes(ether / IP(src=heka.PEER_IP4, dst="192.0.2.77") /
                                 UDP(dport=8125) / Raw("x:1|c"))],
        "ip_unknown_protocol": [bytes(ether / IP(src=heka.PEER_IP4, dst=heka.PORT_IP4, proto=253) /
                                      Raw("what"))],
    }


def test_a_broken_counter_shows_in_status(lab):
    """hekad over a data plane that counts one sample too many."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG,
                              dataplane_options=["--break-counter", "samples_flushed"])
    heka.send(wire.udp(), heka.pack(GOOD), appliance)
    status = appliance.wait("the samples to be flushed", lambda status: status["dataplane"][
        "counters"]["samples_flushed"] >= len(GOOD))
    wrong = {stage["stage"]: stage["residual"] for stage in status["stages"] if stage["residual"]}
    assert wrong == {"sample": -1}
    assert status["residual"] == 1


def test_a_broken_counter_shows_without_hekad(lab):
    wire = lab.wire()
    plane = lab.dataplane(wire.inner, STATSD_PLAN, options=["--break-counter", "eth_truncated"])
    heka.send(wire.udp(), heka.pack(GOOD), plane)
    plane.wait("the lines", lambda counters: counters["statsd_lines"] == len(GOOD))
    ledger = plane.telemetry("/hekaline/ledger")
    assert {name: row["residual"] for name, row in ledger.items() if row["residual"]} == \
        {"frame": -1}
    plane.stop()


def test_status_in_words(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    heka.send(wire.udp(), heka.pack(GOOD), appliance)
    appliance.settle(len(GOOD))
    text = appliance.status_by_program()
    for word in ("50 series", "frame", "sample", "samples_flushed", "FileOutput", "residual 0"):
        assert word in text, f"'{word}' is missing in:\n{text}"
    import json
    assert json.loads(appliance.status_by_program("--json"))["residual"] == 0
