# SPDX-License-Identifier: MPL-2.0
"""kafka_cluster.py - librdkafka's mock cluster (kafka_cluster.c), started and told what to do."""
import os
import subprocess

from appliance import BIN_DIR
from process import die_with_parent

PROGRAM = os.path.join(BIN_DIR, "kafka_cluster")


class Cluster:
    """Two brokers. `addresses`: of both."""

    def __init__(self):
        self.child = None
        self.addresses = []

    def start(self):
        self.child = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, preexec_fn=die_with_parent,
                                      text=True)
        self.addresses = self.child.stdout.readline().strip().split(",")

    def toml(self):
        """The option addrs."""
        return "[" + ", ".join(f'"{address}"' for address in self.addresses) + "]"

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        out = []
        while (answer := self.child.stdout.readline().rstrip("\n")) != ".":
            assert answer, f"{PROGRAM} ended at: {line}"
            out.append(answer)
        return out

    def topic(self, name, partitions):
        self.ask(f"topic {name} {partitions}")

    def put(self, topic, partition, *values, key="-"):
        for value in values:
            self.ask(f"put {topic} {partition} {key} {value}")

    def messages(self, topic, partitions=1):
        """(partition, offset, key or None, value) of all."""
        def data(text):
            return None if text == "-" else bytes.fromhex(text[1:])
        rows = (line.split(" ") for line in self.ask(f"dump {topic} {partitions}"))
        return [(int(row[0]), int(row[1]), data(row[2]), data(row[3])) for row in rows]

    def close(self):
        if self.child is not None:
            self.child.stdin.close()
            self.child.kill()
            self.child.wait()
