# SPDX-License-Identifier: MPL-2.0
"""sandbox.py - SandboxFilters in tests: scripts, sections, rows of the status, control messages."""
import hashlib
import hmac
import os
import socket
import threading
import time

import heka

COUNTER = """
count = 0
function process_message()
    count = count + 1
    return 0
end
function timer_event(ns)
    inject_payload("txt", "count", count)
end
"""

ECHO = """
function process_message()
    add_to_payload(read_message("Payload"))
    inject_payload("txt", "echo")
    return 0
end
"""

INPUT = """
[UdpInput]
address = "127.0.0.1:%d"
"""

OUTPUT = """
[out]
type = "FileOutput"
message_matcher = "Type =~ /^heka.sandbox/"
path = "{dir}/out.txt"
encoder = "RstEncoder"
flush_interval = 50

[RstEncoder]
"""


def script(lab, name, text):
    path = lab.path(name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def section(name, path, matcher="Type == 'UdpInput'", options=(), config=()):
    lines = [f"[{name}]", 'type = "SandboxFilter"', f'filename = "{path}"',
             f'message_matcher = "{matcher}"', *options]
    if config:
        lines += [f"[{name}.config]", *config]
    return "\n".join(lines) + "\n\n"


def row(agent, name, status=None):
    status = status or agent.status()
    return next((row for row in status["filters"] if row["name"] == name), None)


def plugin(agent, name, status=None):
    return row(agent, name, status)["plugin"]


def send(port, first, last, size=0):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(first, last):
            sender.sendto(f"line {number}".encode().ljust(size), ("127.0.0.1", port))


class Flood:
    """Sends lines, in order, as long as its block lasts."""

    def __init__(self, port):
        self.port, self.sent, self.stop = port, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.wait(0.001):
            send(self.port, self.sent, self.sent + 40)
            self.sent += 40

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def output(lab, name="out.txt", folder="agent"):
    return lab.read(folder, name) if os.path.exists(lab.path(folder, name)) else ""


def assert_books(agent, what="nothing to be in flight", check=lambda status: True):
    """Waits until everything has ended; then all residuals are 0."""
    def quiet(status):
        return (check(status) and not status["changing"] and
                not any(stage["in_flight"] for stage in status["stages"]))
    status = agent.wait(what, quiet, 60)
    heka.assert_balanced(status)
    for filter_row in status["filters"]:
        assert filter_row["residual"] == 0 and filter_row["held"] == 0, filter_row
    return status


# ---- control messages of a SandboxManagerFilter ----

def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def member(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(kind, payload="", fields=(), timestamp_ns=None):
    """One in protobuf."""
    stamp = time.time_ns() if timestamp_ns is None else timestamp_ns
    out = member(1, os.urandom(16)) + varint(2 << 3) + varint(stamp) + member(3, kind.encode())
    if payload:
        out += member(6, payload.encode())
    for name, value in fields:
        out += member(10, member(1, name.encode()) + member(4, value.encode()))
    return out


def framed(data, signer=None, version=0, key=""):
    """As on a stream; signed by HMAC MD5."""
    header = varint(1 << 3) + varint(len(data))
    if signer is not None:
        digest = hmac.new(key.encode(), data, hashlib.md5).digest()
        header += (varint(3 << 3) + varint(0) + member(4, signer.encode()) + varint(5 << 3) +
                   varint(version) + member(6, digest))
    return b"\x1e" + bytes([len(header)]) + header + b"\x1f" + data


def load(name, text, options=("message_matcher = \"Type == 'UdpInput'\"",), config=(),
         kind="SandboxFilter", **more):
    lines = [f"[{name}]", f'type = "{kind}"', *options]
    if config:
        lines += [f"[{name}.config]", *config]
    return message("heka.control.sandbox", text,
                   [("action", "load"), ("config", "\n".join(lines) + "\n")], **more)


def unload(name, **more):
    return message("heka.control.sandbox", "", [("action", "unload"), ("name", name)], **more)
