# SPDX-License-Identifier: MPL-2.0
"""mmdb.py - a small MaxMind DB of IPv4 networks, written the plain way."""
import ipaddress
import struct

MARK = b"\xab\xcd\xefMaxMind.com"
RECORD_BITS = 24


class Uint(int):
    """An integer of `kind`: 5 (16 bits), 6 (32 bits) or 9 (64 bits)."""

    def __new__(cls, value, kind):
        made = super().__new__(cls, value)
        made.kind = kind
        return made


def head(kind, size):
    extra = b""
    if size >= 29:
        size, extra = 29, bytes([size - 29])
    if kind > 7:
        return bytes([size, kind - 7]) + extra
    return bytes([kind << 5 | size]) + extra


def encode(value):
    if isinstance(value, dict):
        return head(7, len(value)) + b"".join(encode(key) + encode(item)
                                              for key, item in value.items())
    if isinstance(value, list):
        return head(11, len(value)) + b"".join(map(encode, value))
    if isinstance(value, float):
        return head(3, 8) + struct.pack(">d", value)
    if isinstance(value, Uint):
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return head(value.kind, len(data)) + data
    data = value.encode()
    return head(2, len(data)) + data


def database(networks):
    """{network: record} as the bytes of a file. Networks do not contain each other."""
    nodes, data, leaves = [[None, None]], b"", []
    for network, record in networks.items():
        network = ipaddress.ip_network(network)
        bits = [int(network.network_address) >> (31 - i) & 1 for i in range(network.prefixlen)]
        at = 0
        for bit in bits[:-1]:
            if nodes[at][bit] is None:
                nodes.append([None, None])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        leaves.append((at, bits[-1], len(data)))
        data += encode(record)
    for at, bit, offset in leaves:
        nodes[at][bit] = len(nodes) + 16 + offset
    tree = b"".join((len(nodes) if child is None else child).to_bytes(3, "big")
                    for node in nodes for child in node)
    about = {"binary_format_major_version": Uint(2, 5), "binary_format_minor_version": Uint(0, 5),
             "build_epoch": Uint(1700000000, 9), "database_type": "GeoLite2-City",
             "description": {"en": "for a test"}, "ip_version": Uint(4, 5), "languages": ["en"],
             "node_count": Uint(len(nodes), 6), "record_size": Uint(RECORD_BITS, 5)}
    return tree + bytes(16) + data + MARK + encode(about)
