# SPDX-License-Identifier: MPL-2.0
"""A Carbon server for measuring: sums the counters of all flushes, by the names that were sent."""
import os
import re
import socket
import threading


class CarbonSink:
    """Listens on loopback, in a thread on `cpu`; `total` is what the flushes add up to."""

    def __init__(self, pattern, names, clean, cpu):
        self._cpu = cpu
        self._pattern = re.compile(pattern)
        self._names = {clean(name) for name in names}
        self._lock = threading.Lock()
        self._known = {}   # flushed key -> is it one of the counters
        self.total = 0.0
        self.lines = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        os.sched_setaffinity(0, {self._cpu})  # this thread, and those that it starts
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _is_counter(self, key):
        known = self._known.get(key)
        if known is None:
            found = self._pattern.fullmatch(key)
            known = self._known[key] = bool(found) and found["name"] in self._names
        return known

    def _add(self, lines):
        total = 0.0
        for line in lines:
            fields = line.split()
            if len(fields) == 3 and self._is_counter(fields[0]):
                total += float(fields[1])
        with self._lock:
            self.total += total
            self.lines += len(lines)

    def _read(self, connection):
        rest = ""
        with connection:
            while data := connection.recv(1 << 20):
                lines = (rest + data.decode("utf-8", "replace")).split("\n")
                rest = lines.pop()
                self._add(lines)
