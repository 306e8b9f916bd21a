#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Writes the traffic of the pktgen scripts: a pcap file for each case, and what is in it.

  bench/pktgen/make_traffic.py [OPTION]... FOLDER [CASE]...

pktgen sends a file over and over, so CASE.json says for one turn of CASE.pcap: frames, bytes,
lines, how many of these are malformed, and the sum of all counters. The same options and the same
seed give the same bytes. Cases: single (64-byte frames of one metric), packed (1,432 bytes of
lines), imix (frames of 64, 594 and 1,518 bytes, 7 : 4 : 1), senders (packed, from 1,000
addresses), malformed (packed, with 5 % bad lines), syslog (RFC 3164 lines).
"""
import argparse
import ipaddress
import json
import random
import struct
import sys
from pathlib import Path

FRAMES = 2000           # of a turn; pktgen keeps them all in memory
UDP_HEADERS = 42
FRAME_MIN = 60          # 64 on the wire, with the check sequence
PACKED = 1432
BAD_LINES = (b"noname", b":1|c", b"bench.bad:x|c", b"bench.bad:1|q", b"bench.bad:1|c|@x")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(args, payload, source):
    """An Ethernet frame with right checksums, padded to what the wire wants."""
    udp_size = 8 + len(payload)
    pseudo = source.packed + args.to.packed + struct.pack("!BBH", 0, 17, udp_size)
    udp = struct.pack("!HHHH", args.from_port, args.port, udp_size, 0)
    body = pseudo + udp + payload
    udp = udp[:6] + struct.pack("!H", checksum(body + b"\0" * (len(body) % 2)) or 0xFFFF)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + udp_size, 0, 0x4000, 64, 17, 0,
                         source.packed, args.to.packed)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    bytes_ = args.dst_mac + args.src_mac + b"\x08\x00" + header + udp + payload
    return bytes_.ljust(FRAME_MIN, b"\0")


class Lines:
    """Statsd lines whose sum is known."""

    def __init__(self, args, name_format):
        self.random = random.Random(args.seed)
        self.names = [name_format.format(i).encode() for i in range(args.names)]
        self.count = self.bad = self.counter_sum = 0

    def next(self, bad_percent=0):
        self.count += 1
        if bad_percent and self.random.random() * 100 < bad_percent:
            self.bad += 1
            return self.random.choice(BAD_LINES)
        i, value = self.random.randrange(len(self.names)), self.random.randint(1, 9)
        kind = b"c" if i % 10 else (b"g", b"ms")[i // 10 % 2]
        self.counter_sum += value if kind == b"c" else 0
        return self.names[i] + b":%d|" % value + kind

    def packed(self, size, bad_percent=0):
        """Lines up to `size` bytes together."""
        text = self.next(bad_percent)
        while True:
            line = self.next(bad_percent)
            if len(text) + 1 + len(line) > size:
                self._give_back(line)
                return text
            text += b"\n" + line

    def _give_back(self, line):
        self.count -= 1
        if line in BAD_LINES:
            self.bad -= 1
        elif line.endswith(b"|c"):
            self.counter_sum -= int(line.rsplit(b":", 1)[1][:-2])


def sources(args, count):
    return [args.source + i for i in range(count)]


def statsd(args, sizes, senders=1, bad_percent=0, name_format="bench.shop.web.requests.by_{:04d}"):
    """Frames with payloads of the sizes in turn (0: one line)."""
    lines, addresses, found = Lines(args, name_format), sources(args, senders), []
    for i in range(FRAMES):
        size = sizes[i % len(sizes)]
        payload = lines.packed(size, bad_percent) if size else lines.next(bad_percent)
        found.append(frame(args, payload, addresses[i % senders]))
    return found, {"lines": lines.count, "malformed": lines.bad, "counter_sum": lines.counter_sum}


def syslog(args):
    rng, found = random.Random(args.seed), []
    for i in range(FRAMES):
        text = (f"<{rng.randrange(192)}>Nov 20 10:{rng.randrange(60):02d}:{rng.randrange(60):02d} "
                f"host{rng.randrange(100)} app[{rng.randrange(1, 32768)}]: request {i} took "
                f"{rng.randrange(1000)} ms")
        found.append(frame(args, text.encode(), args.source))
    return found, {"lines": FRAMES, "malformed": 0, "counter_sum": 0}


CASES = {
    "single": lambda args: statsd(args, [0], name_format="b.{:04d}"),
    "packed": lambda args: statsd(args, [PACKED]),
    "imix": lambda args: statsd(args, [0] * 7 + [552] * 4 + [1472], name_format="b.{:04d}"),
    "senders": lambda args: statsd(args, [PACKED], senders=1000),
    "malformed": lambda args: statsd(args, [PACKED], bad_percent=5),
    "syslog": syslog,
}


def write(args, name):
    frames, known = CASES[name](args)
    with open(args.folder / f"{name}.pcap", "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, data in enumerate(frames):
            file.write(struct.pack("<IIII", 0, i, len(data), len(data)) + data)
    known = {"case": name, "seed": args.seed, "frames": len(frames),
             "bytes": sum(map(len, frames)), **known}
    (args.folder / f"{name}.json").write_text(json.dumps(known) + "\n", encoding="ascii")
    return known


def mac(text):
    parts = bytes.fromhex(text.replace(":", ""))
    if len(parts) != 6:
        raise ValueError(text)
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--names", type=int, default=10000, help="distinct series")
    parser.add_argument("--to", type=ipaddress.IPv4Address, default="10.0.0.1")
    parser.add_argument("--port", type=int, default=8125)
    parser.add_argument("--from", dest="source", type=ipaddress.IPv4Address, default="10.0.1.1")
    parser.add_argument("--from-port", type=int, default=40000)
    parser.add_argument("--dst-mac", type=mac, default="02:00:00:00:00:01")
    parser.add_argument("--src-mac", type=mac, default="02:00:00:00:00:02")
    parser.add_argument("folder", type=Path)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    args = parser.parse_args()
    unknown = [name for name in args.cases if name not in CASES]
    if unknown or args.names < 1:
        parser.error(f"there is no case {', '.join(unknown)}; there are: {' '.join(CASES)}"
                     if unknown else "--names is at least 1")
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.cases or CASES:
        print(json.dumps(write(args, name)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
