#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Writes NAME.pcap and NAME.expect of this folder (tests/unit/dataplane/test_packet_golden.c), and
the same frames as corpus of tests/fuzz/fuzz_packet.c.

Frames and the answers to them are built by scapy; which counters they end in is said by hand,
beside each frame. Run it again after a change, with Debian's python3-scapy, and read the
difference.
"""
import ipaddress
import pathlib
import struct
import sys

from scapy.config import conf
conf.ipv6_enabled = True
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import (ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS,
                                ICMPv6ND_RA, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, PadN)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

FOLDER = pathlib.Path(__file__).parent
CORPUS = FOLDER.parents[1] / "fuzz" / "corpus" / "fuzz_packet"
COUNTERS = FOLDER.parents[2] / "core" / "counters.def"
CORPUS_OPTIONS = {"vlan=10": 1, "any_mac": 2, "unfinished": 8, "fragments=1": 16, "tcp": 32}
CORPUS_END_OF_BURST, CORPUS_LATER, CORPUS_ROOMY = 1, 16, 64
US, PEER = "02:00:00:00:00:01", "02:00:00:00:00:99"
US4, PEER4, OTHER4 = "192.0.2.1", "192.0.2.9", "192.0.2.77"
US6, PEER6, OTHER6 = "2001:db8::1", "2001:db8::9", "2001:db8::77"
GROUP_MAC, GROUP6 = "33:33:ff:00:00:01", "ff02::1:ff00:1"
TO_US = Ether(dst=US, src=PEER)
FROM_US = Ether(dst=PEER, src=US)
BROADCAST = Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER)


def counter_order():
    names = []
    for line in COUNTERS.read_text().splitlines():
        if line.startswith("COUNTER("):
            names.append(line.split('"')[1])
    return names


def fnv1a(data):
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


class Case:
    """One pcap: frames in bursts of one time stamp, and what comes of them."""

    def __init__(self, name, config=""):
        self.name, self.config = name, config
        self.frames, self.lines, self.counters, self.now = [], [], {}, 0.0
        CASES.append(self)

    def count(self, *names):
        for name in names:
            self.counters[name] = self.counters.get(name, 0) + 1
        return self

    def frame(self, packet, *counters, after=1.0):
        """The next burst, of one frame, `after` seconds after the one before."""
        self.now += after
        self.frames.append((self.now, bytes(packet)))
        return self.count(*counters)

    def with_it(self, packet, *counters):
        """One more frame in the same burst."""
        return self.frame(packet, *counters, after=0.0)

    def datagram(self, payload, listener=0, source=PEER4, port=40000):
        self.lines.append(f"datagram listener={listener} size={len(payload)} from={source} "
                          f"port={port} fnv={fnv1a(payload):08x}")
        return self

    def segment(self, packet, back):
        """A TCP segment, and the frame that the test answers it with."""
        ip = packet[IPv6] if IPv6 in packet else packet[IP]
        data = bytes(ip.payload)
        self.lines.append(f"segment from={ip.src} port={ip[TCP].sport} to={ip.dst} "
                          f"port={ip[TCP].dport} size={len(data)} fnv={fnv1a(data):08x}")
        return self.answer(back)

    def answer(self, packet):
        self.lines.append("answer " + bytes(packet).hex())
        return self.count("frames_tx")

    def write(self):
        out = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
        for now, frame in self.frames:
            seconds = int(now)
            out += struct.pack("<IIII", seconds, int((now - seconds) * 1e9), len(frame), len(frame))
            out += frame
        assert len(out) < 4096, (self.name, len(out))
        self.counters["frames_rx"] = len(self.frames)
        self.counters["bytes_rx"] = sum(len(frame) for _, frame in self.frames)
        (FOLDER / f"{self.name}.pcap").write_bytes(out)
        order = counter_order()
        lines = ["config" + (" " + self.config if self.config else "")] + self.lines
        lines += [f"counter {name}={self.counters[name]}"
                  for name in sorted(self.counters, key=order.index)]
        (FOLDER / f"{self.name}.expect").write_text("\n".join(lines) + "\n")

    def write_corpus(self):
        out = bytes([sum(CORPUS_OPTIONS.get(word, 0) for word in self.config.split())])
        times = [now for now, _ in self.frames] + [None]
        before = 0.0
        for (now, frame), after in zip(self.frames, times[1:]):
            control = CORPUS_END_OF_BURST if now != after else 0
            control |= CORPUS_LATER if now - before > 10 else 0
            control |= CORPUS_ROOMY if len(frame) % 2 else 0
            before = now
            out += struct.pack("<BH", control, len(frame)) + frame
        (CORPUS / self.name).write_bytes(out)


CASES = []
PAYLOAD = b"requests:1|c"
LONG_PAYLOAD = bytes(range(200))
DATA = b"ping of 19 bytes..."


def udp4(payload=PAYLOAD, dst=US4, dport=8125, **fields):
    return IP(src=PEER4, dst=dst, **fields) / UDP(sport=40000, dport=dport) / Raw(payload)


def udp6(payload=PAYLOAD, dst=US6, dport=8125, **fields):
    return IPv6(src=PEER6, dst=dst, **fields) / UDP(sport=40000, dport=dport) / Raw(payload)


def fragments4(packet, *cuts):
    """The IPv4 packet, cut at these payload offsets."""
    whole = bytes(packet)
    header, payload = packet.copy(), whole[20:]
    header.remove_payload()
    edges = [0, *cuts, len(payload)]
    result = []
    for start, end in zip(edges, edges[1:]):
        piece = header.copy()
        piece.proto, piece.chksum, piece.len = whole[9], None, None
        piece.frag, piece.flags = start // 8, "MF" if end < len(payload) else 0
        result.append(piece / Raw(payload[start:end]))
    return result


def fragments6(packet, *cuts, ident=7):
    whole = bytes(packet)
    payload = whole[40:]
    edges = [0, *cuts, len(payload)]
    return [IPv6(src=packet.src, dst=packet.dst)
            / IPv6ExtHdrFragment(nh=whole[6], offset=start // 8, m=int(end < len(payload)),
                                 id=ident)
            / Raw(payload[start:end])
            for start, end in zip(edges, edges[1:])]


def patched(packet, at, *values):
    data = bytearray(bytes(packet))
    data[at:at + len(values)] = bytes(values)
    return bytes(data)


def refreshed_ip4(data):
    """The frame with a right header checksum (header of 20 bytes behind 14)."""
    header = bytearray(data[14:34])
    header[10:12] = b"\0\0"
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = struct.pack("!H", total ^ 0xFFFF)
    return data[:14] + bytes(header) + data[34:]


def ethernet():
    case = Case("eth_ends")
    case.frame(b"\x02\0\0\0\0\x01\x02\0\0\0\0\x99\x08", "eth_truncated")
    case.frame(b"\x02\0\0\0\0\x01\x02\0\0\0\0\x99\x81\0\0", "eth_truncated")
    case.frame(Ether(dst="02:00:00:00:00:02", src=PEER) / udp4(), "eth_not_for_us")
    case.frame(Ether(dst="01:00:5e:00:00:fb", src=PEER) / udp4(dst="224.0.0.251"),
               "eth_not_for_us")
    case.frame(Ether(dst="33:33:00:00:00:01", src=PEER) / udp6(dst="ff02::1"), "eth_not_for_us")
    case.frame(Ether(dst="33:33:ff:00:00:02", src=PEER) / udp6(dst="ff02::1:ff00:2"),
               "eth_not_for_us")
    case.frame(BROADCAST / udp4(), "eth_not_for_us")
    case.frame(BROADCAST / udp6(), "eth_not_for_us")
    case.frame(Ether(dst=GROUP_MAC, src=PEER) / udp4(), "eth_not_for_us")
    case.frame(Ether(dst=GROUP_MAC, src=PEER) / ARP(op=1, psrc=PEER4, pdst=US4), "eth_not_for_us")
    case.frame(Ether(dst=US, src=PEER, type=0x88CC) / Raw(bytes(46)), "eth_unknown_type")
    case.frame(TO_US / Dot1AD(vlan=5) / udp4(), "eth_unknown_type")
    case.frame(TO_US / Dot1Q(vlan=0) / Dot1Q(vlan=0) / udp4(), "eth_unknown_type")
    case.frame(Ether(dst=US, src=PEER, type=46) / Raw(bytes(46)), "eth_unknown_type")

    case = Case("eth_any_mac", "any_mac")
    case.frame(Ether(dst="02:00:00:00:00:02", src=PEER) / udp4(), "packets_whole")
    case.datagram(PAYLOAD)
    case.frame(BROADCAST / udp4(), "packets_whole").datagram(PAYLOAD)

    case = Case("vlan_none")
    case.frame(TO_US / Dot1Q(vlan=10) / udp4(), "vlan_other")
    case.frame(TO_US / Dot1Q(vlan=0, prio=5) / udp4(), "packets_whole").datagram(PAYLOAD)

    case = Case("vlan_port", "vlan=10")
    case.frame(TO_US / Dot1Q(vlan=10, prio=3) / udp4(), "packets_whole").datagram(PAYLOAD)
    case.frame(TO_US / Dot1Q(vlan=10) / udp6(), "packets_whole")
    case.datagram(PAYLOAD, 2, PEER6)
    case.frame(TO_US / Dot1Q(vlan=11) / udp4(), "vlan_other")
    case.frame(TO_US / udp4(), "vlan_other")
    case.frame(TO_US / Dot1Q(vlan=0) / udp4(), "vlan_other")
    case.frame(BROADCAST / Dot1Q(vlan=10) / ARP(op=1, hwsrc=PEER, psrc=PEER4, pdst=US4),
               "arp_answered")
    case.answer(FROM_US / Dot1Q(vlan=10)
                / ARP(op=2, hwsrc=US, psrc=US4, hwdst=PEER, pdst=PEER4))


def arp():
    request = ARP(op=1, hwsrc=PEER, psrc=PEER4, hwdst="00:00:00:00:00:00", pdst=US4)
    reply = ARP(op=2, hwsrc=US, psrc=US4, hwdst=PEER, pdst=PEER4)
    case = Case("arp_answered")
    case.frame(BROADCAST / request, "arp_answered").answer(FROM_US / reply)
    case.frame(bytes(TO_US / request) + bytes(18), "arp_answered").answer(FROM_US / reply)
    second = request.copy()
    second.pdst = "192.0.2.2"
    answer = reply.copy()
    answer.psrc = "192.0.2.2"
    case.frame(BROADCAST / second, "arp_answered").answer(FROM_US / answer)
    probe, answer = request.copy(), reply.copy()
    probe.psrc = answer.pdst = "0.0.0.0"
    case.frame(BROADCAST / probe, "arp_answered").answer(FROM_US / answer)

    case = Case("arp_ends")
    case.frame(BROADCAST / ARP(op=1, hwsrc=PEER, psrc=PEER4, pdst=OTHER4), "arp_ignored")
    case.frame(TO_US / ARP(op=2, hwsrc=PEER, psrc=PEER4, hwdst=US, pdst=US4), "arp_ignored")
    case.frame(bytes(BROADCAST / request)[:41], "arp_malformed")
    case.frame(BROADCAST / ARP(op=1, hwtype=6, psrc=PEER4, pdst=US4), "arp_malformed")
    case.frame(patched(BROADCAST / request, 18, 8), "arp_malformed")
    case.frame(Ether(dst=US, src="03:00:00:00:00:99") / request, "arp_answered",
               "frames_tx_dropped")  # nobody answers to a group


def ip4():
    case = Case("ip4_udp")
    case.frame(TO_US / udp4(), "packets_whole").datagram(PAYLOAD)
    case.frame(bytes(TO_US / udp4(b"a:1|c")) + b"padding!", "packets_whole").datagram(b"a:1|c")
    case.frame(TO_US / udp4(b""), "packets_whole").datagram(b"")
    case.frame(TO_US / udp4(options=[IPOption_RR(length=7, pointer=4, routers=["0.0.0.0"])]),
               "packets_whole").datagram(PAYLOAD)
    case.frame(TO_US / udp4(flags="DF", tos=0x10, ttl=1), "packets_whole").datagram(PAYLOAD)
    case.frame(TO_US / udp4(dport=8126), "packets_whole").datagram(PAYLOAD, 1)
    case.with_it(TO_US / udp4(dst="192.0.2.2", dport=8126), "packets_whole").datagram(PAYLOAD, 1)
    case.with_it(TO_US / udp4(b"odd"), "packets_whole").datagram(b"odd")

    case = Case("ip4_ends")
    good = bytes(TO_US / udp4())
    case.frame(good[:33], "ip4_malformed")
    case.frame(refreshed_ip4(patched(good, 14, 0x55)), "ip4_malformed")  # version 5
    case.frame(refreshed_ip4(patched(good, 14, 0x44)), "ip4_malformed")  # header of 16 bytes
    case.frame(good[:14] + bytes([0x4F]) + good[15:40], "ip4_malformed")  # header behind the end
    case.frame(refreshed_ip4(patched(good, 16, 0, 19)), "ip4_malformed")  # total < header
    case.frame(refreshed_ip4(patched(good, 16, 0, 41)), "ip4_malformed")  # total > frame
    case.frame(patched(good, 24, 0x12, 0x34), "ip4_bad_checksum")
    case.frame(patched(good, 22, 1), "ip4_bad_checksum")
    case.frame(TO_US / udp4(dst=OTHER4), "ip4_not_for_us")
    case.frame(TO_US / udp4(dst="255.255.255.255"), "ip4_not_for_us")
    case.frame(TO_US / udp4(dst="224.0.0.251"), "ip4_not_for_us")
    case.frame(TO_US / IP(src=PEER4, dst=US4) / TCP(dport=22), "packets_whole", "tcp_no_listener")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=47) / Raw(bytes(8)), "packets_whole",
               "ip_unknown_protocol")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=58) / Raw(bytes(8)), "packets_whole",
               "ip_unknown_protocol")


def tcp_reset(sport, dport):
    return TCP(sport=dport, dport=sport, seq=0x01020304, ack=0x05060708, flags="RA", window=0)


def tcp_in(case, packet, back):
    case.frame(packet, "packets_whole", "segments_tcp")
    case.segment(packet.__class__(bytes(packet)), back)


def tcp():
    case = Case("tcp_segments", "tcp")
    four, six = IP(src=PEER4, dst=US4), IPv6(src=PEER6, dst=US6)
    back4 = FROM_US / IP(src=US4, dst=PEER4, flags="DF", id=0) / tcp_reset(40000, 5565)
    back6 = FROM_US / IPv6(src=US6, dst=PEER6) / tcp_reset(40000, 5565)
    syn = TCP(sport=40000, dport=5565, seq=1, flags="S", options=[("MSS", 1460), ("SAckOK", b"")])
    data = TCP(sport=40000, dport=5565, seq=2, ack=9, flags="PA") / Raw(b"some bytes\n")
    for segment in (syn, data):
        tcp_in(case, TO_US / four / segment, back4)
        tcp_in(case, TO_US / six / segment, back6)
    tcp_in(case, TO_US / IP(src=PEER4, dst=US4, options=IPOption_RR()) / data, back4)
    case.frame(TO_US / four / TCP(chksum=1), "packets_whole", "tcp_bad_checksum")
    case.frame(TO_US / six / TCP(chksum=1), "packets_whole", "tcp_bad_checksum")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=6) / Raw(bytes(19)), "packets_whole",
               "tcp_malformed_packet")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=6), "packets_whole", "tcp_malformed_packet")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6, nh=6) / Raw(bytes(19)), "packets_whole",
               "tcp_malformed_packet")
    group = Ether(dst=GROUP_MAC, src=PEER) / IPv6(src=PEER6, dst=GROUP6)
    case.frame(group / data, "ip6_not_for_us")

    case = Case("tcp_tagged", "tcp vlan=10")
    tagged = Ether(dst=US, src=PEER) / Dot1Q(vlan=10, prio=3)
    back = Ether(dst=PEER, src=US) / Dot1Q(vlan=10, prio=3)
    tcp_in(case, tagged / four / data,
           back / IP(src=US4, dst=PEER4, flags="DF", id=0) / tcp_reset(40000, 5565))


def udp():
    zero = TO_US / IP(src=PEER4, dst=US4) / UDP(sport=40000, dport=8125, chksum=0) / Raw(PAYLOAD)
    case = Case("udp_ends")
    case.frame(zero, "packets_whole").datagram(PAYLOAD)
    case.frame(TO_US / IP(src=PEER4, dst=US4) / UDP(sport=40000, dport=8125, len=13)
               / Raw(b"a:1|c-behind"), "packets_whole", "udp_bad_checksum")
    short = IP(src=PEER4, dst=US4) / UDP(sport=40000, dport=8125) / Raw(b"a:1|c")
    longer = IP(src=PEER4, dst=US4, len=20 + 8 + 5 + 4) / bytes(short)[20:] / Raw(b"more")
    longer.proto = 17
    case.frame(TO_US / longer, "packets_whole").datagram(b"a:1|c")  # behind UDP's length
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=17) / Raw(bytes(7)), "packets_whole",
               "udp_malformed")
    case.frame(TO_US / IP(src=PEER4, dst=US4) / UDP(sport=40000, dport=8125, len=7) / PAYLOAD,
               "packets_whole", "udp_malformed")
    case.frame(TO_US / IP(src=PEER4, dst=US4) / UDP(sport=40000, dport=8125, len=21) / PAYLOAD,
               "packets_whole", "udp_malformed")
    case.frame(TO_US / IP(src=PEER4, dst=US4) / UDP(sport=40000, dport=8125, chksum=0x1234)
               / PAYLOAD, "packets_whole", "udp_bad_checksum")
    case.frame(TO_US / udp4(dport=53), "packets_whole", "udp_no_listener")
    case.frame(TO_US / udp4(dst="192.0.2.2"), "packets_whole", "udp_no_listener")
    case.frame(TO_US / udp4(dport=8127), "packets_whole", "udp_no_listener")

    # What a Linux sender leaves for its network card to finish: the sum of the pseudo-header.
    pseudo = sum(struct.unpack("!4H", ipaddress.ip_address(PEER4).packed
                               + ipaddress.ip_address(US4).packed)) + 17 + 8 + len(PAYLOAD)
    pseudo = (pseudo & 0xFFFF) + (pseudo >> 16)
    unfinished = (TO_US / IP(src=PEER4, dst=US4)
                  / UDP(sport=40000, dport=8125, chksum=pseudo) / Raw(PAYLOAD))
    Case("udp_unfinished_refused").frame(unfinished, "packets_whole", "udp_bad_checksum")
    case = Case("udp_unfinished", "unfinished")
    case.frame(unfinished, "packets_whole").datagram(PAYLOAD)
    case.frame(TO_US / udp4(), "packets_whole").datagram(PAYLOAD)
    case.frame(TO_US / IP(src=PEER4, dst=US4)
               / UDP(sport=40000, dport=8125, chksum=pseudo ^ 1) / Raw(PAYLOAD),
               "packets_whole", "udp_bad_checksum")


def icmp4():
    request = IP(src=PEER4, dst=US4, ttl=9, id=77) / ICMP(id=5, seq=6) / Raw(DATA)
    reply = IP(src=US4, dst=PEER4, ttl=64, id=77) / ICMP(type=0, id=5, seq=6) / Raw(DATA)
    case = Case("icmp4_echo")
    case.frame(TO_US / request, "packets_whole", "icmp4_echo").answer(FROM_US / reply)
    case.frame(bytes(TO_US / request) + bytes(9), "packets_whole", "icmp4_echo")
    case.answer(FROM_US / reply)
    optioned = request.copy()
    optioned.options = [IPOption_RR(length=7, pointer=4, routers=["0.0.0.0"])]
    case.frame(TO_US / optioned, "packets_whole", "icmp4_echo").answer(FROM_US / reply)
    # A checksum at each end of its range survives the change of the type.
    for data in (b"\xf7\xff", b"\xf7\xfe", b"\xff\xff", b"\x00\x00"):
        case.frame(TO_US / IP(src=PEER4, dst=US4) / ICMP(id=0, seq=0) / Raw(data),
                   "packets_whole", "icmp4_echo")
        case.answer(FROM_US / IP(src=US4, dst=PEER4, ttl=64) / ICMP(type=0, id=0, seq=0)
                    / Raw(data))

    case = Case("icmp4_ends")
    case.frame(TO_US / IP(src=PEER4, dst=US4) / ICMP(type=0, id=1), "packets_whole",
               "icmp4_ignored")
    case.frame(TO_US / IP(src=PEER4, dst=US4) / ICMP(type=3, code=3) / bytes(28),
               "packets_whole", "icmp4_ignored")
    case.frame(TO_US / IP(src=PEER4, dst=US4) / ICMP(type=8, code=1), "packets_whole",
               "icmp4_ignored")
    for source in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"):
        case.frame(TO_US / IP(src=source, dst=US4) / ICMP(), "packets_whole", "icmp4_ignored")
    case.frame(TO_US / IP(src=PEER4, dst=US4) / ICMP(chksum=1), "packets_whole",
               "icmp4_malformed")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=1) / Raw(b"\x08\0\xf7\xff\0\0\0"),
               "packets_whole", "icmp4_malformed")


def fragments_ip4_whole():
    payload = LONG_PAYLOAD
    a, b, c = fragments4(udp4(payload, id=11), 64, 128)
    case = Case("frag4_in_order")
    case.frame(TO_US / a, "frag_merged").with_it(TO_US / b, "frag_merged")
    case.frame(TO_US / c, "frag_merged", "packets_reassembled").datagram(payload)
    case = Case("frag4_reverse")
    case.frame(TO_US / c, "frag_merged").frame(TO_US / b, "frag_merged")
    case.frame(TO_US / a, "frag_merged", "packets_reassembled").datagram(payload)
    case = Case("frag4_duplicates")
    case.frame(TO_US / b, "frag_merged").frame(TO_US / b, "frag_duplicate")
    case.frame(TO_US / c, "frag_merged").frame(TO_US / c, "frag_duplicate")
    case.frame(TO_US / a, "frag_merged", "packets_reassembled").datagram(payload)
    case.frame(TO_US / a, "frag_held")  # of the next packet with this identification

    case = Case("frag4_apart")  # same identification, other sender, protocol or destination
    for packet in (udp4(payload, id=11), udp4(payload, id=12),
                   udp4(payload, id=11, dst="192.0.2.2", dport=8126)):
        case.frame(TO_US / fragments4(packet, 64)[0], "frag_merged")
    other = udp4(payload, id=11)
    other.src = "192.0.2.10"
    case.frame(TO_US / fragments4(other, 64)[1], "frag_held")
    ping = IP(src=PEER4, dst=US4, id=11) / ICMP() / Raw(payload)
    case.frame(TO_US / fragments4(ping, 64)[1], "frag_held")
    case.frame(TO_US / fragments4(udp4(payload, id=12), 64)[1], "frag_merged",
               "packets_reassembled").datagram(payload)
    case.frame(TO_US / fragments4(udp4(payload, id=11, dst="192.0.2.2", dport=8126), 64)[1],
               "frag_merged", "packets_reassembled").datagram(payload, 1)
    case.frame(TO_US / fragments4(udp4(payload, id=11), 64)[1], "frag_merged",
               "packets_reassembled").datagram(payload)


def fragments_ip4_overlap():
    payload = LONG_PAYLOAD
    whole = udp4(payload, id=11)
    a, b, c = fragments4(whole, 64, 128)
    # A fragment that holds all of a (shorter) datagram is a fragment nevertheless.
    case = Case("frag4_of_padding")
    first, second = fragments4(IP(src=PEER4, dst=US4, id=14)
                               / UDP(sport=40000, dport=8125, len=8 + 5, chksum=0)
                               / Raw(b"a:1|c" + bytes(99)), 64)
    case.frame(TO_US / first, "frag_merged")
    case.frame(TO_US / second, "frag_merged", "packets_reassembled").datagram(b"a:1|c")

    overlapping = fragments4(whole, 56)[1]
    case = Case("frag4_overlap")
    case.frame(TO_US / a, "frag_invalid").frame(TO_US / overlapping, "frag_invalid")
    case.frame(TO_US / b, "frag_invalid").frame(TO_US / c, "frag_invalid")
    case.frame(TO_US / a, "frag_held", after=31.0)  # forgotten by then
    case = Case("frag4_contradictions")
    shorter = fragments4(udp4(payload[:100], id=11), 64)[1]
    case.frame(TO_US / c, "frag_invalid").frame(TO_US / shorter, "frag_invalid")  # two ends
    case.frame(TO_US / fragments4(udp4(payload, id=12), 64, 128)[2], "frag_invalid")
    case.frame(TO_US / fragments4(udp4(payload + bytes(100), id=12), 64, 256)[1],
               "frag_invalid")  # goes on behind the end
    contradicting = fragments4(udp4(payload, id=15), 64, 128)[2]
    case.frame(TO_US / contradicting, "frag_invalid")
    contradicting.flags = "MF"
    case.frame(TO_US / contradicting, "frag_invalid")  # the end, and then not
    case.frame(TO_US / fragments4(udp4(payload, id=13), 64, 128)[1], "frag_invalid")
    case.frame(TO_US / fragments4(udp4(payload[:80], id=13), 64)[1],
               "frag_invalid")  # ends before what is there


def fragments_ip4_ends():
    payload = LONG_PAYLOAD
    a, b, c = fragments4(udp4(payload, id=11), 64, 128)
    x = fragments4(udp4(payload, id=12), 64, 128)[0]
    case = Case("frag4_invalid")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=17, flags="MF") / Raw(bytes(12)),
               "frag_invalid")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=17, frag=4), "frag_invalid")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=17, frag=8191) / Raw(bytes(8)),
               "frag_invalid")
    case.frame(TO_US / IP(src=PEER4, dst=US4, flags="MF") / TCP() / Raw(bytes(4)),
               "frag_invalid")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=6, frag=9) / Raw(bytes(8)), "frag_invalid")
    case.frame(TO_US / IP(src=PEER4, dst=US4, proto=47, flags="MF") / Raw(bytes(8)),
               "frag_invalid")

    case = Case("frag4_expired")
    case.frame(TO_US / a, "frag_expired").frame(TO_US / b, "frag_expired", after=29.0)
    case.frame(TO_US / c, "frag_held", after=1.0)  # 30 s after the first
    case = Case("frag4_no_room", "fragments=1")
    case.frame(TO_US / a, "frag_merged").frame(TO_US / x, "frag_no_room")
    case.frame(TO_US / c, "frag_merged")
    case.frame(TO_US / b, "frag_merged", "packets_reassembled").datagram(payload)
    case.frame(TO_US / x, "frag_held")
    Case("frag4_none", "fragments=0").frame(TO_US / a, "frag_no_room")

    case = Case("frag4_udp_ends")  # what can be wrong with a whole packet
    for packet, end in ((udp4(payload, dport=53, id=21), "udp_no_listener"),
                        (IP(src=PEER4, dst=US4, id=22) / UDP(dport=8125, chksum=1)
                         / Raw(payload), "udp_bad_checksum"),
                        (IP(src=PEER4, dst=US4, id=23) / UDP(dport=8125, len=999)
                         / Raw(payload), "udp_malformed")):
        first, second = fragments4(packet, 64)
        case.frame(TO_US / first, "frag_merged")
        case.frame(TO_US / second, "frag_merged", "packets_reassembled", end)


def fragments_ip4_echo():
    payload = LONG_PAYLOAD
    request = IP(src=PEER4, dst=US4, id=31) / ICMP(id=1, seq=2) / Raw(payload)
    reply = IP(src=US4, dst=PEER4, id=31, ttl=64) / ICMP(type=0, id=1, seq=2) / Raw(payload)
    case = Case("frag4_echo")
    first, second = fragments4(request, 104)
    case.frame(TO_US / second, "frag_merged")
    case.frame(TO_US / first, "frag_merged", "packets_reassembled", "icmp4_echo")
    for piece in fragments4(reply, 104):
        case.answer(FROM_US / piece)
    request.options = [IPOption_RR(length=7, pointer=4, routers=["0.0.0.0"])]
    pieces = [IP(src=PEER4, dst=US4, id=31, proto=1, options=request.options, frag=at // 8,
                 flags="MF" if at == 0 else 0) / Raw(bytes(request)[28:][at:end])
              for at, end in ((0, 104), (104, None))]
    case.frame(TO_US / pieces[0], "frag_merged")
    case.frame(TO_US / pieces[1], "frag_merged", "packets_reassembled", "icmp4_echo")
    for piece in fragments4(reply, 104):
        case.answer(FROM_US / piece)


def ip6():
    case = Case("ip6_udp")
    case.frame(TO_US / udp6(), "packets_whole").datagram(PAYLOAD, 2, PEER6)
    case.frame(TO_US / udp6(dport=8127), "packets_whole").datagram(PAYLOAD, 3, PEER6)
    case.with_it(TO_US / udp6(dst="fe80::1", dport=8127), "packets_whole")
    case.datagram(PAYLOAD, 3, PEER6)
    case.frame(bytes(TO_US / udp6(b"x")) + bytes(7), "packets_whole").datagram(b"x", 2, PEER6)
    atomic = IPv6(src=PEER6, dst=US6) / IPv6ExtHdrFragment(nh=17, id=1) / bytes(udp6())[40:]
    case.frame(TO_US / atomic, "packets_whole").datagram(PAYLOAD, 2, PEER6)
    case.frame(TO_US / udp6(dst="fe80::1"), "packets_whole", "udp_no_listener")
    case.frame(TO_US / udp6(dport=53), "packets_whole", "udp_no_listener")

    case = Case("ip6_ends")
    good = bytes(TO_US / udp6())
    case.frame(good[:53], "ip6_malformed")
    case.frame(patched(good, 14, 0x40), "ip6_malformed")
    case.frame(patched(good, 18, 0, 21), "ip6_malformed")
    case.frame(TO_US / udp6(dst=OTHER6), "ip6_not_for_us")
    case.frame(Ether(dst=GROUP_MAC, src=PEER) / udp6(dst=GROUP6), "ip6_not_for_us")
    case.frame(Ether(dst=GROUP_MAC, src=PEER) / IPv6(src=PEER6, dst="ff02::1:ff00:2")
               / ICMPv6EchoRequest(), "ip6_not_for_us")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6, nh=44) / Raw(bytes(7)), "ip6_malformed")
    for options in (IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt):
        case.frame(TO_US / IPv6(src=PEER6, dst=US6) / options(options=[PadN(optdata=bytes(4))])
                   / bytes(udp6())[40:], "ip6_extension")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6) / IPv6ExtHdrRouting(type=0) / bytes(udp6())[40:],
               "ip6_extension")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6) / IPv6ExtHdrFragment(nh=44) / Raw(bytes(16)),
               "ip6_extension")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6) / TCP(), "packets_whole", "tcp_no_listener")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6, nh=59), "packets_whole", "ip_unknown_protocol")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6, nh=1) / Raw(bytes(8)), "packets_whole",
               "ip_unknown_protocol")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6) / UDP(dport=8125, chksum=0) / Raw(PAYLOAD),
               "packets_whole", "udp_bad_checksum")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6) / UDP(dport=8125, chksum=5) / Raw(PAYLOAD),
               "packets_whole", "udp_bad_checksum")


def fragments_ip6():
    payload = bytes(range(200))
    whole = udp6(payload)
    a, b, c = fragments6(whole, 64, 128)
    case = Case("frag6")
    case.frame(TO_US / c, "frag_merged").with_it(TO_US / a, "frag_merged")
    case.frame(TO_US / b, "frag_merged", "packets_reassembled").datagram(payload, 2, PEER6)
    case.frame(TO_US / fragments6(whole, 64, ident=8)[0], "frag_held")
    case.frame(TO_US / a, "frag_invalid")
    case.frame(TO_US / fragments6(whole, 56)[1], "frag_invalid").frame(TO_US / b, "frag_invalid")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6) / IPv6ExtHdrFragment(nh=17, m=1, id=9)
               / Raw(bytes(15)), "frag_invalid")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6) / IPv6ExtHdrFragment(nh=6, m=1, id=9)
               / Raw(bytes(24)), "frag_invalid")
    case.frame(TO_US / IPv6(src=PEER6, dst=US6) / IPv6ExtHdrFragment(nh=17, offset=8191, id=9)
               / Raw(bytes(8)), "frag_invalid")

    request = IPv6(src=PEER6, dst=US6) / ICMPv6EchoRequest(id=1, seq=2, data=payload)
    reply = IPv6(src=US6, dst=PEER6) / ICMPv6EchoReply(id=1, seq=2, data=payload)
    case = Case("frag6_echo")
    first, second = fragments6(request, 104, ident=3)
    case.frame(TO_US / first, "frag_merged")
    case.frame(TO_US / second, "frag_merged", "packets_reassembled", "icmp6_echo")
    for piece in fragments6(reply, 104, ident=3):
        case.answer(FROM_US / piece)


def icmp6():
    request = (IPv6(src=PEER6, dst=US6, hlim=3, tc=4, fl=5)
               / ICMPv6EchoRequest(id=8, seq=9, data=b"odd"))
    reply = (IPv6(src=US6, dst=PEER6, hlim=64, tc=4, fl=5)
             / ICMPv6EchoReply(id=8, seq=9, data=b"odd"))
    case = Case("icmp6_echo")
    case.frame(TO_US / request, "packets_whole", "icmp6_echo").answer(FROM_US / reply)
    case.frame(bytes(TO_US / request) + bytes(5), "packets_whole", "icmp6_echo")
    case.answer(FROM_US / reply)
    atomic = (IPv6(src=PEER6, dst=US6, hlim=3, tc=4, fl=5) / IPv6ExtHdrFragment(nh=58, id=1)
              / bytes(request)[40:])
    case.frame(TO_US / atomic, "packets_whole", "icmp6_echo").answer(FROM_US / reply)

    case = Case("icmp6_nd")
    group = Ether(dst=GROUP_MAC, src=PEER)
    ask = ICMPv6ND_NS(tgt=US6) / ICMPv6NDOptSrcLLAddr(lladdr=PEER)
    tell = ICMPv6ND_NA(tgt=US6, R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=US)
    answer = FROM_US / IPv6(src=US6, dst=PEER6, hlim=255) / tell
    case.frame(group / IPv6(src=PEER6, dst=GROUP6, hlim=255) / ask, "packets_whole",
               "icmp6_nd_answered").answer(answer)
    case.frame(TO_US / IPv6(src=PEER6, dst=US6, hlim=255) / ask, "packets_whole",
               "icmp6_nd_answered").answer(answer)
    case.frame(TO_US / IPv6(src=PEER6, dst=US6, hlim=255) / ICMPv6ND_NS(tgt=US6, res=99),
               "packets_whole", "icmp6_nd_answered").answer(answer)
    case.frame(group / IPv6(src=PEER6, dst=GROUP6, hlim=255) / ICMPv6ND_NS(tgt="fe80::1"),
               "packets_whole", "icmp6_nd_answered")
    case.answer(FROM_US / IPv6(src="fe80::1", dst=PEER6, hlim=255)
                / ICMPv6ND_NA(tgt="fe80::1", R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=US))
    # Somebody else wants our address.
    case.frame(group / IPv6(src="::", dst=GROUP6, hlim=255) / ICMPv6ND_NS(tgt=US6),
               "packets_whole", "icmp6_nd_answered")
    case.answer(Ether(dst="33:33:00:00:00:01", src=US) / IPv6(src=US6, dst="ff02::1", hlim=255)
                / ICMPv6ND_NA(tgt=US6, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=US))

    case = Case("icmp6_ends")
    plain = TO_US / IPv6(src=PEER6, dst=US6, hlim=255)

    def ends(name, *packets):
        for packet in packets:
            case.frame(packet, "packets_whole", name)
    ends("icmp6_malformed",
         TO_US / IPv6(src=PEER6, dst=US6, hlim=64) / ask,
         TO_US / IPv6(src=PEER6, dst=US6, hlim=255) / ICMPv6ND_NS(tgt=US6, code=1),
         TO_US / IPv6(src=PEER6, dst=US6, hlim=255) / ICMPv6ND_NS(tgt=US6, cksum=1),
         TO_US / IPv6(src=PEER6, dst=US6, hlim=255) / ICMPv6ND_NS(tgt="ff02::1"),
         plain / ICMPv6ND_NS(tgt=US6) / Raw(b"\1\0" + bytes(6)),
         plain / ICMPv6ND_NS(tgt=US6) / Raw(b"\1\2" + bytes(6)),
         plain / ICMPv6ND_NS(tgt=US6) / Raw(b"\1"),
         TO_US / IPv6(src="::", dst=US6, hlim=255) / ICMPv6ND_NS(tgt=US6),
         group / IPv6(src="::", dst=GROUP6, hlim=255) / ask,
         TO_US / IPv6(src=PEER6, dst=US6, nh=58) / Raw(bytes(7)),
         TO_US / IPv6(src=PEER6, dst=US6) / ICMPv6EchoRequest(cksum=1))
    ends("icmp6_ignored",
         group / IPv6(src=PEER6, dst=GROUP6, hlim=255) / ICMPv6ND_NS(tgt="2001:db8:1::1"),
         group / IPv6(src=PEER6, dst=GROUP6) / ICMPv6EchoRequest(),
         TO_US / IPv6(src="::", dst=US6) / ICMPv6EchoRequest(),
         TO_US / IPv6(src="ff02::1", dst=US6) / ICMPv6EchoRequest(),
         TO_US / IPv6(src=PEER6, dst=US6) / ICMPv6EchoReply(),
         TO_US / IPv6(src="fe80::9", dst=US6, hlim=255) / ICMPv6ND_RA(),
         TO_US / IPv6(src=PEER6, dst=US6, hlim=255) / IPv6ExtHdrFragment(nh=58, id=4)
         / bytes(IPv6(src=PEER6, dst=US6, hlim=255) / ask)[40:])


def main():
    for make in (ethernet, arp, ip4, tcp, udp, icmp4, fragments_ip4_whole, fragments_ip4_overlap,
                 fragments_ip4_ends, fragments_ip4_echo, ip6, fragments_ip6, icmp6):
        make()
    for case in CASES:
        case.write()
        case.write_corpus()
    print(f"{len(CASES)} cases")


if __name__ == "__main__":
    sys.exit(main())
