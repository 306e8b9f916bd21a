# SPDX-License-Identifier: MPL-2.0
"""amqp_broker.py - a small AMQP 0-9-1 broker: exchanges, queues, acknowledgements, publisher
confirms. It keeps what it was told, and goes away when a test says so."""
import collections
import fnmatch
import socket
import struct
import threading

START, START_OK, TUNE, OPEN, OPEN_OK = (10, 10), (10, 11), (10, 30), (10, 40), (10, 41)
CLOSE, CLOSE_OK = (10, 50), (10, 51)
END = b"\xce"

Message = collections.namedtuple("Message", "exchange key properties body")


class Reader:
    """Arguments of a method, in order."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def short(self):
        return self.take(self.number(1)).decode()

    def table(self):
        end, out = self.number(4) + self.at, {}
        while self.at < end:
            name, kind = self.short(), self.take(1)
            if kind == b"I":
                out[name] = self.number(4)
            elif kind in b"tbB":
                out[name] = self.number(1)
            elif kind == b"F":
                out[name] = self.table()
            else:
                assert kind == b"S", kind
                out[name] = self.take(self.number(4)).decode()
        return out


def short(text):
    return bytes([len(text)]) + text.encode()


def long_text(data):
    return struct.pack(">I", len(data)) + data


class Queue:
    def __init__(self, options, arguments):
        self.options, self.arguments = options, arguments
        self.messages, self.bindings = collections.deque(), []


class Broker:
    """`refuse`: how many publishings are refused; `confirms` False: none is answered."""

    def __init__(self, context=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context, self.lock = context, threading.RLock()
        self.exchanges, self.queues, self.clients = {}, {}, []
        self.logins, self.published, self.connections = [], [], 0
        self.refuse, self.confirms = 0, True
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            client = Client(self, connection)
            with self.lock:
                self.connections += 1
                self.clients.append(client)
            client.run()
        except OSError:
            pass
        finally:
            connection.close()

    def kill(self):
        """Ends all connections without a word."""
        with self.lock:
            for client in self.clients:
                client.abort()

    def put(self, message):
        """From a producer that is no plugin: into the queues that its key leads to."""
        with self.lock:
            kind = self.exchanges[message.exchange][0]
            for queue in self.queues.values():
                for exchange, key in queue.bindings:
                    if exchange == message.exchange and (
                            kind == "fanout" or
                            fnmatch.fnmatchcase(message.key, key.replace("#", "*"))):
                        queue.messages.append(message)
            for client in list(self.clients):
                client.deliver()

    def publish(self, exchange, key, *bodies):
        for body in bodies:
            self.put(Message(exchange, key, b"", body))


class Client:
    """A connection with its one channel."""

    def __init__(self, broker, connection):
        self.broker, self.connection = broker, connection
        self.consumer, self.prefetch, self.tag = None, 0, 0
        self.unacknowledged = collections.OrderedDict()
        self.confirm_tag = None
        self.coming = None
        self.methods = {
            START_OK: self.start_ok, OPEN: self.open, CLOSE: self.close, (20, 10): self.channel,
            (20, 40): self.close_channel, (40, 10): self.exchange, (50, 10): self.queue,
            (50, 20): self.bind, (60, 10): self.qos, (60, 20): self.consume,
            (60, 40): self.publish, (60, 80): self.acknowledge, (85, 10): self.select}

    # ---- bytes ----

    def send(self, kind, channel, payload):
        self.connection.sendall(struct.pack(">BHI", kind, channel, len(payload)) + payload + END)

    def method(self, name, arguments=b"", channel=1):
        self.send(1, channel, struct.pack(">HH", *name) + arguments)

    def exactly(self, size):
        out = b""
        while len(out) < size:
            piece = self.connection.recv(size - len(out))
            if not piece:
                raise ConnectionError
            out += piece
        return out

    def run(self):
        assert self.exactly(8) == b"AMQP\0\0\x09\x01"
        self.method(START, b"\0\x09" + long_text(b"") + long_text(b"PLAIN") + long_text(b"en_US"),
                    0)
        try:
            while True:
                kind, _, size = struct.unpack(">BHI", self.exactly(7))
                payload = self.exactly(size)
                assert self.exactly(1) == END
                with self.broker.lock:
                    self.take(kind, payload)
        finally:
            self.gone()

    def abort(self):
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def gone(self):
        with self.broker.lock:
            if self in self.broker.clients:
                self.broker.clients.remove(self)
            if self.consumer is None:
                return
            queue = self.broker.queues.get(self.consumer)
            if queue is not None:
                queue.messages.extendleft(reversed(self.unacknowledged.values()))
                if queue.options["auto_delete"]:
                    del self.broker.queues[self.consumer]
            for client in list(self.broker.clients):
                client.deliver()

    def take(self, kind, payload):
        if kind == 1:
            reader = Reader(payload[4:])
            handler = self.methods.get(struct.unpack(">HH", payload[:4]))
            if handler is not None:
                handler(reader)
        elif kind == 2:
            self.coming[2:] = [struct.unpack(">Q", payload[4:12])[0], payload[12:], b""]
            self.finish()
        elif kind == 3:
            self.coming[4] += payload
            self.finish()

    # ---- connection and channel ----

    def start_ok(self, reader):
        reader.table()
        mechanism = reader.short()
        self.broker.logins.append((mechanism, reader.take(reader.number(4))))
        self.method(TUNE, struct.pack(">HIH", 0, 131072, 60), 0)

    def open(self, reader):
        self.vhost = reader.short()
        self.method(OPEN_OK, short(""), 0)

    def close(self, _):
        self.method(CLOSE_OK, channel=0)
        self.abort()

    def channel(self, _):
        self.method((20, 11), long_text(b""))

    def close_channel(self, _):
        self.method((20, 41))

    def refuse_channel(self, code, text):
        self.method((20, 40), struct.pack(">H", code) + short(text) + bytes(4))

    # ---- exchanges and queues ----

    def exchange(self, reader):
        reader.number(2)
        name, kind, bits = reader.short(), reader.short(), reader.number(1)
        wanted = (kind, bool(bits & 2), bool(bits & 4))
        if self.broker.exchanges.setdefault(name, wanted) != wanted:
            self.refuse_channel(406, f"PRECONDITION_FAILED - exchange '{name}' is another one")
        else:
            self.method((40, 11))

    def queue(self, reader):
        reader.number(2)
        name, bits = reader.short(), reader.number(1)
        options = {"durable": bool(bits & 2), "exclusive": bool(bits & 4),
                   "auto_delete": bool(bits & 8)}
        name = name or f"made-{len(self.broker.queues)}"
        self.broker.queues.setdefault(name, Queue(options, reader.table()))
        self.method((50, 11), short(name) + struct.pack(">II", 0, 0))

    def bind(self, reader):
        reader.number(2)
        queue, binding = reader.short(), (reader.short(), reader.short())
        if binding not in self.broker.queues[queue].bindings:
            self.broker.queues[queue].bindings.append(binding)
        self.method((50, 21))

    # ---- consuming ----

    def qos(self, reader):
        reader.number(4)
        self.prefetch = reader.number(2)
        self.method((60, 11))

    def consume(self, reader):
        reader.number(2)
        name = reader.short()
        if name not in self.broker.queues:
            self.refuse_channel(404, f"NOT_FOUND - no queue '{name}'")
            return
        self.consumer = name
        reader.short()
        self.is_exclusive = bool(reader.number(1) & 4)
        self.method((60, 21), short("tag"))
        self.deliver()

    def deliver(self):
        queue = self.broker.queues.get(self.consumer)
        while queue is not None and queue.messages and (
                self.prefetch == 0 or len(self.unacknowledged) < self.prefetch):
            message = queue.messages.popleft()
            self.tag += 1
            self.unacknowledged[self.tag] = message
            try:
                self.send_message(message)
            except OSError:
                return

    def send_message(self, message):
        self.method((60, 60), short("tag") + struct.pack(">QB", self.tag, 0) +
                    short(message.exchange) + short(message.key))
        self.send(2, 1, struct.pack(">HHQH", 60, 0, len(message.body), 0))
        for at in range(0, len(message.body), 100000):
            self.send(3, 1, message.body[at:at + 100000])

    def acknowledge(self, reader):
        tag, multiple = reader.number(8), reader.number(1) & 1
        for number in [number for number in self.unacknowledged
                       if number == tag or (multiple and number <= tag)]:
            del self.unacknowledged[number]
        self.deliver()

    # ---- publishing ----

    def select(self, _):
        self.confirm_tag = 0
        self.method((85, 11))

    def publish(self, reader):
        reader.number(2)
        self.coming = [reader.short(), reader.short(), None, None, None]

    def finish(self):
        exchange, key, size, properties, body = self.coming
        if len(body) < size:
            return
        refused = self.broker.refuse > 0
        self.broker.refuse -= refused
        if self.confirm_tag is not None:
            self.confirm_tag += 1
        if not refused:
            message = Message(exchange, key, properties, body)
            self.broker.published.append(message)
            self.broker.put(message)
        if self.broker.confirms and self.confirm_tag is not None:
            self.method((60, 120 if refused else 80), struct.pack(">QB", self.confirm_tag, 0))
