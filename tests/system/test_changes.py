# SPDX-License-Identifier: MPL-2.0
"""Under load: reloads, and hekad killed again and again. HEKA_SOAK multiplies the rounds."""
import os
import re
import signal
import threading
import time

import heka

pytestmark = heka.needs_namespaces

SOAK = int(os.environ.get("HEKA_SOAK", "1"))
RELOADS = 25 * SOAK
KILLS = 8 * SOAK
LINES_MAX = 2_000_000

BASE = """
[StatsdInput]
address = "192.0.2.1:8125"

[StatAccumInput]
ticker_interval = 1
percent_threshold = [%d]

[app]
type = "UdpInput"
address = "192.0.2.1:5514"

[stats]
type = "FileOutput"
message_matcher = "Type == 'heka.statmetric'"
path = "{dir}/stats.txt"
encoder = "as_it_is"

[lines]
type = "FileOutput"
message_matcher = "Type == 'app'"
path = "{dir}/lines.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
[as_it_is]
type = "PayloadEncoder"
append_newlines = false
"""

EXTRA = """
[extra_%d]
type = "FileOutput"
message_matcher = "Type == 'app'"
path = "{dir}/extra_%d.txt"
encoder = "PayloadEncoder"
"""


class Load(threading.Thread):
    """Numbered lines and a counter, at a pace that the port's ring can take, until told to end."""

    def __init__(self, wire):
        super().__init__(daemon=True)
        self.text, self.stats = wire.udp(port=5514), wire.udp()
        self.sent, self.over = 0, threading.Event()

    def run(self):
        while not self.over.is_set() and self.sent < LINES_MAX:
            for _ in range(4):
                self.text.send(f"line {self.sent}".encode())
                self.stats.send(b"requests:3|c\nrequests.time:7|ms")
                self.sent += 1
            time.sleep(0.002)

    def end(self):
        self.over.set()
        self.join()
        return self.sent


def numbers(text):
    return [int(number) for number in re.findall(r"^line (\d+)$", text, re.M)]


def flushes(text):
    """(value, time) of the counter in each flush."""
    return re.findall(r"^stats\.counters\.requests\.count (\d+) (\d+)$", text, re.M)


def started(wire):
    load = Load(wire)
    load.start()
    return load


def configure(appliance, sections):
    head = open(appliance.config, encoding="utf-8").read().split("[StatsdInput]")[0]
    with open(appliance.config, "w", encoding="utf-8") as file:
        file.write(head + sections.replace("{dir}", appliance.folder))


def settle(appliance, sent):
    def quiet(status):
        counters = status["dataplane"]["counters"]
        return (counters["datagrams_text"] == counters["datagrams_statsd"] == sent and
                counters["samples_flushed"] == 2 * sent and
                not any(row["in_flight"] or row["held"] for row in status["consumers"]))
    status = appliance.wait("all that was sent to be flushed and delivered", quiet)
    heka.assert_balanced(status)
    return status


def test_reloads_lose_nothing_and_double_nothing(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, BASE % 90)
    heka.send(wire.udp(port=5514), [b"first"], appliance, "datagrams_text")
    heka.send(wire.udp(), [b"requests:0|c\nrequests.time:7|ms"], appliance)
    load = started(wire)
    for number in range(RELOADS):
        sections = BASE % (50 + number // 5 % 40) + (EXTRA % (number, number)) * (number % 2)
        configure(appliance, sections)
        reply = appliance.ask("reload")
        assert reply["ok"] and reply["generation"] == number + 2, reply
    configure(appliance, BASE % 90 + "\n[nonsense]\n")
    before = appliance.status()["generation"]
    reply = appliance.ask("reload")
    assert not reply["ok"] and any("nonsense" in text for text in reply["errors"]), reply
    assert appliance.status()["generation"] == before
    sent = load.end() + 1
    status = settle(appliance, sent)
    assert status["dataplane"]["restarts"] == 0
    lines = numbers(lab.read("lines.txt"))
    assert lines == list(range(sent - 1)), "the kept output has each line once, in order"
    extra = []
    for number in range(1, RELOADS, 2):
        here = numbers(lab.read(f"extra_{number}.txt"))
        assert here == list(range(here[0], here[0] + len(here))) if here else True
        extra += here
    assert len(extra) == len(set(extra)) and extra, "no line was matched by two generations"
    assert sum(int(value) for value, _ in flushes(lab.read("stats.txt"))) == 3 * (sent - 1)
    appliance.stop()


def test_hekad_killed_again_and_again(lab):
    """At least once, duplicates only of what was not acknowledged, aggregates exact."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, BASE % 90)
    plane = appliance.status()["dataplane"]["pid"]
    lab.stack.callback(lambda: kill_if_there(plane))
    heka.send(wire.udp(port=5514), [b"first"], appliance, "datagrams_text")
    heka.send(wire.udp(), [b"requests:0|c\nrequests.time:7|ms"], appliance)
    load = started(wire)
    for _ in range(KILLS):
        time.sleep(0.2)
        appliance.process.stop(signal.SIGKILL)
        appliance.start()
        assert appliance.status()["dataplane"]["pid"] == plane, "the data plane goes on"
    sent = load.end() + 1
    settle(appliance, sent)
    lines = numbers(lab.read("lines.txt"))
    assert set(lines) == set(range(sent - 1)), "each line at least once"
    assert len(lines) - len(set(lines)) <= KILLS * 256, "duplicates: at most a batch for each kill"
    # A flush that was delivered twice is the same line twice; there is one flush a second.
    assert sum(int(value) for value, _ in set(flushes(lab.read("stats.txt")))) == 3 * (sent - 1)
    appliance.stop()


def kill_if_there(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
