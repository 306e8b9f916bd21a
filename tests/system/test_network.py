# SPDX-License-Identifier: MPL-2.0
"""What a kernel neighbour sees of the port: ARP, echo, neighbours, IPv6, VLAN, fragments."""
import socket
import struct

import pytest

import heka

pytestmark = heka.needs_namespaces

CONFIG = """
[StatsdInput]
address = ":8125"

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

VLAN = 7
SOL_PACKET, PACKET_AUXDATA = 263, 8
TP_STATUS_VLAN_VALID = 1 << 4


def last_gauges(text):
    """{name: last value}"""
    out = {}
    for line in text.split("\n"):
        if line.startswith("stats.gauges."):
            name, value, _ = line.split()
            out[name[len("stats.gauges."):]] = float(value)
    return out


def test_arp_echo_and_neighbours(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    for address, size in ((heka.PORT_IP4, 56), (heka.PORT_IP4, 1400), (heka.PORT_IP6, 56),
                          (heka.PORT_IP6, 1400)):
        said = wire.outer.run("ping", "-c", "3", "-i", "0.2", "-W", "20", "-s", str(size), address)
        assert " 0% packet loss" in said, said
    neighbours = wire.outer.run("ip", "neighbour", "show", "dev", heka.PEER)
    mac = wire.port_mac()
    for address in (heka.PORT_IP4, heka.PORT_IP6):
        assert any(address in line and mac in line for line in neighbours.splitlines()), neighbours
    counters = appliance.settle()["dataplane"]["counters"]
    assert counters["icmp4_echo"] == 6 and counters["icmp6_echo"] == 6
    assert counters["arp_answered"] >= 1 and counters["icmp6_nd_answered"] >= 1
    assert counters["frames_tx"] == (12 + counters["arp_answered"] + counters["icmp6_nd_answered"])
    assert counters["frames_tx_dropped"] == 0


def test_statsd_over_both_families(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    for name, address in (("four", heka.PORT_IP4), ("six", heka.PORT_IP6)):
        lines = [f"{name}.{index}:{index}|g" for index in range(500)]
        heka.send(wire.udp(address), heka.pack(lines), appliance)
    status = appliance.settle(1000)
    assert status["dataplane"]["counters"]["udp_bad_checksum"] == 0
    appliance.stop()
    assert last_gauges(lab.read("stats.txt")) == \
        {f"{name}.{index}": float(index) for name in ("four", "six") for index in range(500)}


SIZES = (1500, 4000, 20000, 65000)


def large(name, size):
    """(a datagram of `size` bytes, the gauges in it)"""
    lines = [f"{name}.{size}.{index}:{index}|g" for index in range(size // 24)]
    datagram = "\n".join(lines).encode().ljust(size, b"\n")
    assert len(datagram) == size
    return datagram, {line.split(":")[0]: float(line.split(":")[1][:-2]) for line in lines}


@pytest.mark.parametrize("address, profile", [(heka.PORT_IP4, "pcap_live"),
                                              (heka.PORT_IP6, "af_packet")])
def test_large_datagrams_come_in_fragments(lab, address, profile):
    """The kernel cuts them at 1,500 bytes, and we put them together, up to nearly the largest."""
    wire = lab.wire()
    the_map = heka.core_map()
    the_map["ports"][0]["profile"] = profile
    appliance = lab.appliance(wire.inner, CONFIG, the_map=the_map)
    want = {}
    sender = wire.udp(address)
    for size in SIZES:
        datagram, gauges = large("big", size)
        heka.send(sender, [datagram], appliance)
        want.update(gauges)
    counters = appliance.settle(len(want))["dataplane"]["counters"]
    assert counters["packets_reassembled"] == counters["datagrams_statsd"] == len(SIZES)
    assert counters["frag_merged"] >= 2 + 3 + 14 + 44 and counters["frag_held"] == 0
    appliance.stop()
    assert last_gauges(lab.read("stats.txt")) == want


def test_what_af_packet_cuts_is_counted(lab):
    """DPDK's af_packet driver asks the kernel to put IPv4 fragments together, into a slot of 2,048
    bytes: what is longer comes in cut. It must not pass for whole, nor vanish."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    sender = wire.udp()
    short, gauges = large("short", 1500)
    heka.send(sender, [short], appliance)
    sender.send(large("long", 4000)[0])
    appliance.wait("the cut datagram to be counted", lambda status: status["dataplane"]["counters"][
        "ip4_malformed"] == 1)
    appliance.settle(len(gauges))
    appliance.stop()
    assert last_gauges(lab.read("stats.txt")) == gauges


def tagged(mac, vlan, packet):
    from scapy.all import Dot1Q, Ether
    return bytes(Ether(src="02:00:00:00:00:02", dst=mac) / Dot1Q(vlan=vlan) / packet)


def receive(raw, wanted):
    """The next frame that `wanted` likes, and the VLAN that the kernel took off."""
    raw.settimeout(30)
    while True:
        frame, ancillary, _, _ = raw.recvmsg(2048, socket.CMSG_SPACE(20))
        vlan = None
        for level, kind, data in ancillary:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, *_, tci, _ = struct.unpack("=IIIHHHH", data)
                vlan = tci & 0xFFF if status & TP_STATUS_VLAN_VALID else None
        if wanted(frame):
            return frame, vlan


def test_vlan_port(lab):
    """A port in VLAN 7 takes tagged frames, answers tagged, and counts everything else."""
    from scapy.all import ARP, IP, UDP, Ether, Raw
    wire = lab.wire()
    the_map = heka.core_map()
    the_map["ports"][0]["vlan"] = VLAN
    appliance = lab.appliance(wire.inner, CONFIG, the_map=the_map)
    mac = wire.port_mac()
    raw = wire.raw()
    raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    statsd = IP(src=heka.PEER_IP4, dst=heka.PORT_IP4) / UDP(sport=4000, dport=8125)
    raw.send(tagged("ff:ff:ff:ff:ff:ff", VLAN, ARP(op=1, hwsrc="02:00:00:00:00:02",
                                                   psrc=heka.PEER_IP4, pdst=heka.PORT_IP4)))
    frame, vlan = receive(raw, lambda frame: frame[:6] == b"\x02\0\0\0\0\x02")
    answer = Ether(frame)
    assert vlan == VLAN and answer[ARP].op == 2 and answer[ARP].hwsrc == mac, answer
    raw.send(tagged(mac, VLAN, statsd / Raw("inside:3|g")))
    raw.send(tagged(mac, VLAN + 1, statsd / Raw("other:4|g")))
    raw.send(bytes(Ether(src="02:00:00:00:00:02", dst=mac) / statsd / Raw("untagged:5|g")))
    appliance.wait("three frames", lambda status: (
        status["dataplane"]["counters"]["vlan_other"] >= 2 and
        status["dataplane"]["counters"]["statsd_lines"] >= 1))
    counters = appliance.settle(1)["dataplane"]["counters"]
    assert counters["vlan_other"] == 2 and counters["arp_answered"] == 1
    appliance.stop()
    assert last_gauges(lab.read("stats.txt")) == {"inside": 3.0}
