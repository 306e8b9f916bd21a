#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Sends syslog lines (RFC 3164, 120 bytes) to a port of this machine, and says how many.

  send_lines.py (tcp|udp) PORT SECONDS [RATE]      RATE: lines/s; UDP needs one

By TCP as fast as they are taken. Prints one line of JSON.
"""
import json
import socket
import sys
import time

LINE_BYTES = 120  # without the newline
BLOCK = 2000      # lines that are sent over and over
BURST = 32        # datagrams between two looks at the clock


def line(index):
    head = f"<157>Nov 20 21:00:{index % 60:02} web{index % 10} shop[{1000 + index % 97}]: "
    text = f"request {index * 7919 % 100003} done in {index % 911} ms "
    return (head + text).ljust(LINE_BYTES, "x").encode()


def by_tcp(port, seconds):
    block = b"".join(line(i) + b"\n" for i in range(BLOCK))
    sent, start = 0, time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as peer:
        while time.monotonic() - start < seconds:
            peer.sendall(block)
            sent += BLOCK
    return sent, time.monotonic() - start


def by_udp(port, seconds, rate):
    lines = [line(i) for i in range(BLOCK)]
    sent, start = 0, time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.connect(("127.0.0.1", port))
        while (elapsed := time.monotonic() - start) < seconds:
            for _ in range(min(BURST, int(elapsed * rate) - sent)):
                peer.send(lines[sent % BLOCK])
                sent += 1
    return sent, time.monotonic() - start


def main():
    transport, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    sent, elapsed = (by_udp(port, seconds, float(sys.argv[4])) if transport == "udp"
                     else by_tcp(port, seconds))
    print(json.dumps({"lines": sent, "elapsed_s": elapsed, "lines_per_s": sent / elapsed}))


if __name__ == "__main__":
    main()
