# SPDX-License-Identifier: MPL-2.0
"""heka_wire.py - Heka's framing and messages read the plain way, and a TCP peer that keeps them."""
import socket
import struct
import threading
import uuid

NAMES = {1: "Uuid", 2: "Timestamp", 3: "Type", 4: "Logger", 5: "Severity", 6: "Payload",
         7: "EnvVersion", 8: "Pid", 9: "Hostname"}


def varint(data, at):
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def members(data):
    """(number, value) of each member of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        else:
            assert kind == 2, f"wire type {kind}"
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def varints(data):
    at, out = 0, []
    while at < len(data):
        value, at = varint(data, at)
        out.append(value)
    return out


def field(data):
    """(name, values) of one field; its numbers are packed, as we write them."""
    name, values = "", []
    for number, value in members(data):
        if number == 1:
            name = value.decode()
        elif number in (4, 5):
            values.append(value.decode() if number == 4 else value)
        elif number == 7:
            values += struct.unpack(f"<{len(value) // 8}d", value)
        elif number in (6, 8):
            values += [bool(item) if number == 8 else item for item in varints(value)]
    return name, values


def representations(data):
    """{name: representation} of the fields of a message."""
    out = {}
    for number, value in members(data):
        if number == 10:
            parts = dict(members(value))
            out[parts[1].decode()] = parts.get(3, b"").decode()
    return out


def decode(data):
    """{name: value} of a Heka message; its fields, if any: [(name, values)]."""
    out = {}
    for number, value in members(data):
        if number == 10:
            out.setdefault("Fields", []).append(field(value))
        if number in NAMES:
            text = value.decode() if isinstance(value, bytes) and number != 1 else value
            out[NAMES[number]] = str(uuid.UUID(bytes=value)) if number == 1 else text
    return out


def frames(data, read=decode):
    """(what `read` makes of all whole frames, bytes left over)"""
    out, at = [], 0
    while at + 2 <= len(data):
        assert data[at] == 0x1E, f"byte {at} is {data[at]:#x}"
        body = at + 2 + data[at + 1]
        if body >= len(data):
            break
        assert data[body] == 0x1F
        header = dict(members(data[at + 2:body]))
        end = body + 1 + header[1]
        if end > len(data):
            break
        out.append(read(data[body + 1:end]))
        at = end
    return out, data[at:]


class TcpPeer:
    """Listens on the loopback of `namespace`; `reads` False: takes connections and lets them be."""

    def __init__(self, namespace, reads=True, port=0):
        self.listener = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(8)
        self.port = self.listener.getsockname()[1]
        self.may_read = threading.Event()
        self.streams, self.open = [], []
        if reads:
            self.may_read.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            stream = bytearray()
            self.streams.append(stream)
            self.open.append(connection)
            threading.Thread(target=self.collect, args=(connection, stream), daemon=True).start()

    def collect(self, connection, stream):
        self.may_read.wait()
        with connection:
            while True:
                try:
                    data = connection.recv(1 << 16)
                except OSError:
                    return
                if not data:
                    return
                stream += data

    def messages(self):
        """Of all connections, in order; each connection begins with a frame."""
        return [message for stream in list(self.streams) for message in frames(bytes(stream))[0]]

    def start(self):
        """For Lab.keep()."""

    def close(self):
        self.may_read.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # accept() would keep it open
        self.listener.close()
        for connection in self.open:
            connection.close()
