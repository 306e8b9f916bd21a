# SPDX-License-Identifier: MPL-2.0
"""heka_encode.py - Heka messages written the plain way: bytes, and frames for a TcpInput."""
import os
import struct
import time


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def member(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def field(name, value, representation=""):
    """str, bytes, int, float or bool."""
    out = member(1, name)
    if isinstance(value, bool):
        return out + member(2, 4) + member(8, varint(value))
    if isinstance(value, int):
        return out + member(2, 2) + member(3, representation) + member(6, varint(value))
    if isinstance(value, float):
        return out + member(2, 3) + member(3, representation) + member(7, struct.pack("<d", value))
    if isinstance(value, bytes):
        return out + member(2, 1) + member(3, representation) + member(5, value)
    return out + member(2, 0) + member(3, representation) + member(4, value)


def message(fields=None, **members):
    """Members by Heka's names in lower case: type, logger, payload, hostname, severity, pid,
    timestamp (ns), env_version."""
    numbers = {"type": 3, "logger": 4, "severity": 5, "payload": 6, "env_version": 7, "pid": 8,
               "hostname": 9}
    out = member(1, os.urandom(16)) + member(2, members.pop("timestamp", time.time_ns()))
    for name, number in numbers.items():
        if name in members:
            out += member(number, members[name])
    for name, value in (fields or {}).items():
        out += member(10, field(name, value))
    return out


def frame(data):
    header = member(1, len(data))
    return b"\x1e" + bytes([len(header)]) + header + b"\x1f" + data
