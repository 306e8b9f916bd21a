# SPDX-License-Identifier: MPL-2.0
"""docker_peer.py - the part of Docker's API that inputs use, on a UNIX socket or over TCP."""
import json
import struct
import threading
import time
import urllib.parse

import http_peer
from http_peer import Answer


class Container:
    def __init__(self, docker, full_id, name, env=(), labels=None, tty=False):
        self.docker, self.id, self.name, self.tty = docker, full_id, name, tty
        self.env, self.labels = list(env), labels or {}
        self.is_running = True
        self.logs, self.stats = [], []  # (second, stream, bytes); JSON texts

    def log(self, stream, *texts, second=None):
        with self.docker.changed:
            for text in texts:
                self.logs.append((int(second or time.time()), stream, text.encode()))
            self.docker.changed.notify_all()

    def stat(self, text):
        with self.docker.changed:
            self.stats.append(text)
            self.docker.changed.notify_all()

    def stop(self):
        with self.docker.changed:
            self.is_running = False
            self.docker.changed.notify_all()
        self.docker.event(status="die", id=self.id)

    def inspected(self):
        return {"Id": self.id, "Name": "/" + self.name,
                "Config": {"Image": f"{self.name}:1", "Env": self.env, "Labels": self.labels,
                           "Tty": self.tty}}


class DockerPeer:
    """break_off() ends all answers in the middle; is_away refuses all requests."""

    def __init__(self, path=None, tls=None):
        self.changed = threading.Condition()
        self.containers, self.events, self.turn, self.is_away = {}, [], 0, False
        self.garbage = b""  # sent once, before the frames of an answer
        self.peer = http_peer.HttpPeer(path=path, tls=tls)
        self.peer.stream = self.serve

    def start(self):
        self.peer.start()

    def close(self):
        self.break_off()
        self.peer.close()

    def run(self, full_id, name, says_so=True, **options):
        made = Container(self, full_id, name, **options)
        with self.changed:
            self.containers[full_id[:12]] = made
        if says_so:
            self.event(status="start", id=full_id, **{"from": f"{name}:1"})
        return made

    def event(self, **members):
        with self.changed:
            self.events.append(json.dumps({"time": int(time.time()), "Type": "container",
                                           **members}))
            self.changed.notify_all()

    def raw_event(self, text):
        with self.changed:
            self.events.append(text)
            self.changed.notify_all()

    def break_off(self):
        with self.changed:
            self.turn += 1
            self.changed.notify_all()

    # ---- answers ----

    def serve(self, handler, request):
        parts = urllib.parse.urlsplit(request.path)
        words = parts.path.strip("/").split("/")
        query = dict(urllib.parse.parse_qsl(parts.query))
        if self.is_away:
            handler.reply(Answer(500, b"away"))
        elif words == ["events"]:
            self.serve_events(handler)
        elif words == ["containers", "json"]:
            with self.changed:
                found = [{"Id": one.id} for one in self.containers.values() if one.is_running]
            handler.reply(Answer(200, json.dumps(found).encode()))
        elif words[0] == "containers" and words[1] in self.containers:
            container = self.containers[words[1]]
            if words[2] == "json":
                handler.reply(Answer(200, json.dumps(container.inspected()).encode()))
            elif words[2] == "logs":
                self.serve_logs(handler, container, int(query["since"]))
            elif words[2] == "stats":
                self.serve_stats(handler, container)
        else:
            handler.reply(Answer(404, b"no such thing"))
        return True

    def follow(self, handler, items, is_over, first=b""):
        """Sends what items() gives more and more of as chunks, until is_over()."""
        position = 0
        handler.start_chunks()
        if first:
            handler.chunk(first)
        with self.changed:
            turn = self.turn
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.turn != turn or is_over() or
                                      len(items()) > position)
                if self.turn != turn:
                    handler.close_connection = True
                    raise ConnectionAbortedError
                found, position = items()[position:], len(items())
            for item in found:
                handler.chunk(item)
            if not found and is_over():
                handler.chunk(b"")
                return

    def serve_events(self, handler):
        with self.changed:
            start = len(self.events)
        self.follow(handler, lambda: [text.encode() + b"\n" for text in self.events[start:]],
                    lambda: False)

    @staticmethod
    def frame(container, stream, text):
        return text if container.tty else struct.pack(">BxxxI", stream, len(text)) + text

    def serve_logs(self, handler, container, since):
        def items():
            return [self.frame(container, stream, text)
                    for second, stream, text in container.logs if second >= since]
        first, self.garbage = self.garbage, b""
        self.follow(handler, items, lambda: not container.is_running, first)

    def serve_stats(self, handler, container):
        self.follow(handler, lambda: [text.encode() + b"\n" for text in container.stats],
                    lambda: not container.is_running)
