# SPDX-License-Identifier: MPL-2.0
# [option outputs.use_buffering] [option outputs.buffering] [option TcpOutput.address]
"""Disk queues of outputs: hekad killed under load, torn files, full disks, reloads. HEKA_SOAK
multiplies the rounds."""
import os
import random
import re
import subprocess
import threading
import time

import pytest

import heka
from heka_wire import TcpPeer

pytestmark = heka.needs_namespaces

SOAK = int(os.environ.get("HEKA_SOAK", "1"))
KILLS = 5 * SOAK
SEED = int(os.environ.get("HEKA_SEED", "20261120"))
BATCH_MAX = 256  # delivered and not acknowledged
BURST_MAX = 1024  # on disk and not released in the lanes
TEXT_BYTES = 1000

HEAD = """
[app]
type = "UdpInput"
address = "192.0.2.1:5514"

[PayloadEncoder]

[file]
type = "FileOutput"
message_matcher = "Type == 'app'"
path = "{dir}/file.txt"
encoder = "PayloadEncoder"
"""

TCP = """
[tcp]
type = "TcpOutput"
message_matcher = "Type == 'app'"
address = "127.0.0.1:%d"
encoder = "PayloadEncoder"
"""


class Load(threading.Thread):
    """Numbered lines, at a pace that the port's ring can take, until told to end."""

    def __init__(self, wire):
        super().__init__(daemon=True)
        self.text = wire.udp(port=5514)
        self.sent, self.over = 0, threading.Event()

    def run(self):
        while not self.over.is_set():
            for _ in range(4):
                self.text.send(f"line {self.sent}".encode())
                self.sent += 1
            time.sleep(0.002)

    def end(self):
        self.over.set()
        self.join()
        return self.sent


def numbers(text):
    return [int(number) for number in re.findall(r"^line (\d+)\b", text, re.M)]


def text_of(peer):
    return b"\n".join(bytes(stream) for stream in list(peer.streams)).decode()


def queue_dir(lab):
    return lab.path("base", "output_queue", "tcp")


def newest_file(lab):
    names = [name for name in os.listdir(queue_dir(lab)) if name.endswith(".log")]
    return os.path.join(queue_dir(lab), max(names, key=lambda name: int(name[:-4]))) \
        if names else None


def tear(lab, chance):
    """What a crash in the middle of a write may leave, and what nobody wrote."""
    path = newest_file(lab)
    if path is None:
        return
    with open(path, "ab") as file:
        file.write(chance.choice([
            b"\x1e\x02\x08\x40\x1fonly the beginning of a message",
            b"\x1e\x02", b"\x1e", b"\x00" * 4096, chance.randbytes(300)]))


def kill(appliance):
    appliance.process.child.kill()
    appliance.process.child.wait()


def queue_command(lab, *words):
    return subprocess.run([heka.HEKAD, "queue", words[0], "-base-dir", lab.path("base"),
                           *words[1:]], capture_output=True, text=True, check=False)


def test_kill_under_load(lab):
    """hekad dies at any moment, between runs the queue's files are torn: what was committed for the
    output arrives, twice only what was under way."""
    chance = random.Random(SEED)
    wire = lab.wire()
    peer = lab.keep(TcpPeer(wire.inner))
    appliance = lab.appliance(wire.inner, HEAD + TCP % peer.port)
    load = Load(wire)
    load.start()
    for turn in range(KILLS):
        time.sleep(chance.uniform(0.05, 0.5))
        if turn % 2 == 0:
            peer.may_read.clear()  # a connection that comes now stands still
        kill(appliance)
        tear(lab, chance)
        appliance.start()
        if turn % 2 == 1:
            peer.may_read.set()
    sent = load.end()
    peer.may_read.set()
    status = appliance.settle()
    tcp = appliance.consumer("tcp", status)
    committed = status["dataplane"]["counters"]["messages_committed"]
    heka.wait_for("the peer to have all", lambda: len(set(numbers(text_of(peer)))) >= committed)
    appliance.stop()
    got, in_file = numbers(text_of(peer)), set(numbers(lab.read("file.txt")))
    print(f"seed {SEED}: {sent} sent, {committed} committed, {len(got) - len(set(got))} twice, "
          f"{tcp['recovered']} recovered in the last run")
    assert len(in_file) == committed
    assert set(got) == in_file
    assert len(got) - len(set(got)) <= KILLS * (BATCH_MAX + BURST_MAX)
    assert tcp["recovered"] + tcp["matched"] == tcp["delivered"]
    assert not tcp["ends"]


def test_tools_see_what_hekad_left(lab):
    """A peer that is away: the queue is on disk after the end, `hekad queue` shows it, skips a part
    of it, and the next run delivers the rest."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, HEAD + TCP % 9)
    heka.send(wire.udp(port=5514), [f"line {i}".encode() for i in range(100)], appliance,
              "datagrams_text")
    appliance.wait("the queue", lambda status: (
        appliance.consumer("tcp", status)["queued"] == 100))
    assert "a running hekad has this queue" in queue_command(lab, "skip", "tcp", "1").stderr
    assert "in use" in queue_command(lab, "ls").stdout
    appliance.stop()
    assert "messages stay in its queue" in appliance.process.output()
    assert "unread: 100 records" in queue_command(lab, "verify", "tcp").stdout
    assert "line 0" in queue_command(lab, "dump", "-n", "1", "tcp").stdout
    skipped = queue_command(lab, "skip", "tcp", "30")
    assert skipped.returncode == 0 and "30 records skipped" in skipped.stdout
    peer = lab.keep(TcpPeer(wire.inner))
    with open(appliance.config, encoding="utf-8") as file:
        config = file.read().replace(":9\"", f":{peer.port}\"")
    with open(appliance.config, "w", encoding="utf-8") as file:
        file.write(config)
    appliance.start()
    heka.wait_for("the rest", lambda: numbers(text_of(peer)) == list(range(30, 100)))
    status = appliance.settle()
    assert appliance.consumer("tcp", status)["recovered"] == 70
    appliance.stop()


# ---- reloads ----


def reload_with(appliance, lab, sections):
    with open(appliance.config, encoding="utf-8") as file:
        head = file.read().split("[app]")[0]
    with open(appliance.config, "w", encoding="utf-8") as file:
        file.write(head + sections.replace("{dir}", lab.dir))
    reply = appliance.ask("reload")
    assert reply["ok"], reply


BUFFERED = "[tcp.buffering]\nmax_file_size = %d\nfull_action = \"block\"\n"


def test_reloads_keep_the_queue(lab):
    """Other options, no buffering, no output, and again: under load, nothing is lost on the way."""
    wire = lab.wire()
    peer = lab.keep(TcpPeer(wire.inner, reads=False))
    tcp = TCP % peer.port
    appliance = lab.appliance(wire.inner, HEAD + tcp)
    load = Load(wire)
    load.start()

    def step(sections):
        time.sleep(0.3)
        reload_with(appliance, lab, HEAD + sections)
        return appliance.wait("the former output to end", lambda status: sum(
            row["name"] == "tcp" for row in status["consumers"]) == int("[tcp]" in sections))
    step(tcp + BUFFERED % 100_000)
    step(tcp + BUFFERED % 200_000)
    step(tcp)
    peer.may_read.set()
    step(tcp + "use_buffering = false\n")
    step(tcp + BUFFERED % 100_000)
    sent = load.end()
    appliance.settle()

    def counts():
        """What was sent last may be on its way to the port still."""
        return (appliance.status()["dataplane"]["counters"]["messages_committed"],
                len(set(numbers(text_of(peer)))), len(set(numbers(lab.read("file.txt")))))
    heka.wait_for("the peer and the file to have all", lambda: len(set(counts())) == 1)
    assert 0 < counts()[0] <= sent
    step("")  # nothing is in its queue, and nothing is said
    assert "its former queue is delivered" in appliance.process.output()
    appliance.stop()


def test_a_removed_output_leaves_its_queue(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, HEAD + TCP % 9)
    heka.send(wire.udp(port=5514), [f"line {i}".encode() for i in range(50)], appliance,
              "datagrams_text")
    appliance.wait("the queue", lambda status: (
        appliance.consumer("tcp", status)["queued"] == 50))
    reload_with(appliance, lab, HEAD)
    appliance.wait("its end", lambda status: len(status["consumers"]) == 1)
    assert "messages stay in its queue" in appliance.process.output()
    appliance.stop()
    appliance.start()
    assert f"No output has the queue {queue_dir(lab)}" in appliance.process.output()
    peer = lab.keep(TcpPeer(wire.inner))
    reload_with(appliance, lab, HEAD + TCP % peer.port)
    heka.wait_for("what was left", lambda: numbers(text_of(peer)) == list(range(50)))
    appliance.settle()
    appliance.stop()


# ---- a disk that is full ----


class SmallDisk:
    """A tmpfs of `kbytes` at `path`."""

    def __init__(self, path, kbytes):
        self.path, self.kbytes = path, kbytes

    def start(self):
        os.makedirs(self.path)
        heka.run(["mount", "-t", "tmpfs", "-o", f"size={self.kbytes}k", "tmpfs", self.path])

    def grow(self, kbytes):
        heka.run(["mount", "-o", f"remount,size={kbytes}k", self.path])

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=False)


def full_disk(lab, action, **options):
    """An appliance on a disk of 512 KiB with a peer that does not read, and how to fill it."""
    wire = lab.wire()
    peer = lab.keep(TcpPeer(wire.inner, reads=False))
    disk = lab.keep(SmallDisk(lab.path("base"), 512))
    sections = HEAD + TCP % peer.port + f'[tcp.buffering]\nfull_action = "{action}"\n'
    appliance = lab.appliance(wire.inner, sections, **options)
    sender = wire.udp(port=5514)

    def send(first, count):
        texts = [f"line {number}\n".encode().ljust(TEXT_BYTES, b".")
                 for number in range(first, first + count)]
        heka.send(sender, texts, appliance, "datagrams_text")
    return peer, disk, appliance, send


@heka.needs_root
def test_full_disk_blocks(lab):
    """[option buffering.full_action] Messages wait in the lanes, and all come when there is
    room."""
    peer, disk, appliance, send = full_disk(lab, "block")
    send(0, 2000)
    status = appliance.wait("a full disk", lambda status: (
        appliance.consumer("tcp", status)["queue"]["counters"]["write_failures"] >= 2))
    heka.assert_balanced(status)
    tcp = appliance.consumer("tcp", status)
    assert tcp["in_flight"] + tcp["held"] > 0 and not tcp["ends"]
    appliance.wait("the file's share", lambda status: (
        appliance.consumer("file", status)["delivered"] == 2000))
    disk.grow(65536)
    status = appliance.wait("all to be on disk", lambda status: (
        appliance.consumer("tcp", status)["in_flight"] +
        appliance.consumer("tcp", status)["held"] == 0))
    heka.assert_balanced(status)
    peer.may_read.set()
    appliance.settle()
    heka.wait_for("all", lambda: len(numbers(text_of(peer))) >= 2000)
    assert numbers(text_of(peer)) == list(range(2000))
    appliance.stop()
    assert "The disk of the queue is full" in appliance.process.output("err") + \
        appliance.process.output()


@heka.needs_root
def test_full_disk_drops(lab):
    """What finds no room ends under a name, and what comes later is taken again."""
    peer, disk, appliance, send = full_disk(lab, "drop")
    send(0, 2000)
    status = appliance.wait("dropped messages", lambda status: (
        appliance.consumer("tcp", status)["in_flight"] +
        appliance.consumer("tcp", status)["held"] == 0))
    heka.assert_balanced(status)
    tcp = appliance.consumer("tcp", status)
    dropped = tcp["ends"]["disk_full"]
    assert 0 < dropped < 2000 and set(tcp["ends"]) == {"disk_full"}
    assert tcp["queue"]["counters"]["dropped"] == dropped
    disk.grow(65536)
    send(2000, 500)
    peer.may_read.set()
    status = appliance.settle()
    tcp = appliance.consumer("tcp", status)
    assert tcp["ends"]["disk_full"] == dropped and tcp["delivered"] == 2500 - dropped
    heka.wait_for("the rest", lambda: len(numbers(text_of(peer))) >= 2500 - dropped)
    got = numbers(text_of(peer))
    assert len(set(got)) == len(got) == 2500 - dropped
    assert got[-500:] == list(range(2000, 2500))
    assert appliance.consumer("file", status)["delivered"] == 2500
    appliance.stop()


@heka.needs_root
def test_full_disk_shuts_down(lab):
    """hekad ends in order with 1; the message that found no room is in the lanes, and the next run,
    with room, delivers everything."""
    peer, disk, appliance, send = full_disk(lab, "shutdown",
                                            hekad_options=["full_buffer_max_retries = 1"])
    first = appliance.process
    try:
        send(0, 2000)
    except (AssertionError, TypeError):  # it ends meanwhile
        pass
    assert first.wait() == 1
    log = first.output() + first.output("err")
    for text in ("can't deliver matched message: ", 'full_action is "shutdown"',
                 "Shutdown initiated.", "Shutdown complete."):
        assert text in log, log
    disk.grow(65536)
    peer.may_read.set()
    appliance.start()
    status = appliance.settle()
    in_file = set(numbers(lab.read("file.txt")))
    heka.wait_for("all", lambda: set(numbers(text_of(peer))) >= in_file)
    got = numbers(text_of(peer))
    assert set(got) == in_file and got[:10] == list(range(10))
    assert len(got) - len(set(got)) <= BATCH_MAX + BURST_MAX
    heka.assert_balanced(status)
    appliance.stop()


def test_a_full_queue_delays_the_start(lab):
    """[option buffering.max_buffer_size] [option hekad.full_buffer_max_retries] Nearly full at the
    start: inputs wait for so many seconds, and then start."""
    wire = lab.wire()
    sections = HEAD + TCP % 9 + \
        '[tcp.buffering]\nmax_buffer_size = 200000\nfull_action = "drop"\n'
    appliance = lab.appliance(wire.inner, sections, hekad_options=["full_buffer_max_retries = 2"])
    heka.send(wire.udp(port=5514), [b"line 1".ljust(TEXT_BYTES) for _ in range(1000)], appliance,
              "datagrams_text")
    appliance.wait("the queue to be full", lambda status: (
        appliance.consumer("tcp", status)["queue"]["counters"]["refused"] > 0))
    appliance.stop()
    appliance.start()
    log = appliance.process.output() + appliance.process.output("err")
    assert "its queue is nearly full; inputs wait, at most 2 s" in log
    assert "inputs start nevertheless" in log
    heka.assert_balanced(appliance.status())
    appliance.stop()
