# SPDX-License-Identifier: MPL-2.0
"""At full load: reloads, and each process killed again and again. HEKA_SOAK above 1 is the
long run of 50 kills and 1,000 reloads; without it as many as fit in about 20 s."""
import array
import itertools
import json
import os
import re
import signal
import time

import heka

pytestmark = heka.needs_namespaces

IS_SOAK = int(os.environ.get("HEKA_SOAK", "1")) > 1
RELOADS = 1000 if IS_SOAK else 60
KILLS = 50 if IS_SOAK else 12
PLANE_KILLS = 10 if IS_SOAK else 3
LINES_MAX = 20_000_000 if IS_SOAK else 3_000_000
FLOOD = os.path.join(os.path.dirname(heka.HEKAD), "flood")
BATCH = 256  # of an output: what a kill may deliver twice

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


class Load:
    """Numbered lines and samples, as fast as the data plane takes them (tests/support/flood.c)."""

    def __init__(self, lab, wire, appliance, statsd_port=8125):
        self.process = lab.process("flood", wire.outer.command(
            FLOOD, appliance.run_dir, "192.0.2.1", 5514, statsd_port, LINES_MAX))

    def end(self):
        """What was sent."""
        assert self.process.stop() == 0
        report = json.loads(self.process.output())
        assert report["lines"] < LINES_MAX, "it ended before we did"
        print(f"load: {report}")
        return report


def read_lines(path):
    """How often each line is there, and whether they are in order. What is left of a write that a
    kill has cut stands in front of the next line."""
    counts, in_order, before = array.array("B"), True, -1
    with open(path, encoding="ascii") as file:
        for line in file:
            start = line.rfind("line ")
            if start < 0:
                continue
            number = int(line[start + 5:])
            if number >= len(counts):
                counts.extend(itertools.repeat(0, number + 1 - len(counts)))
            counts[number] += 1
            in_order &= number > before
            before = number
    return counts, in_order


def flushes(text):
    """(value, time) of the counter in each flush."""
    return re.findall(r"^stats\.counters\.requests\.count (\d+) (\d+)$", text, re.M)


def configure(appliance, sections):
    head = open(appliance.config, encoding="utf-8").read().split("[StatsdInput]")[0]
    with open(appliance.config, "w", encoding="utf-8") as file:
        file.write(head + sections.replace("{dir}", appliance.folder))


def settle(appliance, report):
    """`first` datagrams were sent before the load, of each kind one."""
    lines = report["lines"] + 1

    def quiet(status):
        counters = status["dataplane"]["counters"]
        return (counters["datagrams_text"] == counters["datagrams_statsd"] == lines and
                counters["samples_flushed"] == 2 * lines and
                not any(row["in_flight"] or row["held"] for row in status["consumers"]))
    status = appliance.wait("all that was sent to be flushed and delivered", quiet, 180)
    heka.assert_balanced(status)
    assert status["dataplane"]["counters"]["messages_lane_full"] == 0
    return status


def start_all(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, BASE % 90)
    heka.send(wire.udp(port=5514), [b"first"], appliance, "datagrams_text")
    heka.send(wire.udp(), [b"requests:0|c\nrequests.time:7|ms"], appliance)
    return wire, appliance


def test_reloads_lose_nothing_and_double_nothing(lab):
    wire, appliance = start_all(lab)
    load = Load(lab, wire, appliance)
    for number in range(RELOADS):
        sections = BASE % (50 + number // 5 % 40)
        if number % 10 == 1:
            sections += EXTRA % (number, number)
        configure(appliance, sections)
        reply = appliance.ask("reload")
        assert reply["ok"] and reply["generation"] == number + 2, reply
    configure(appliance, BASE % 90 + "\n[nonsense]\n")
    before = appliance.status()["generation"]
    reply = appliance.ask("reload")
    assert not reply["ok"] and any("nonsense" in text for text in reply["errors"]), reply
    assert appliance.status()["generation"] == before
    report = load.end()
    status = settle(appliance, report)
    assert status["dataplane"]["restarts"] == 0
    counts, in_order = read_lines(lab.path("lines.txt"))
    assert len(counts) == report["lines"] and set(counts) == {1} and in_order, \
        "the kept output has each line once, in order"
    seen = 0
    for number in range(1, RELOADS, 10):
        counts, in_order = read_lines(lab.path(f"extra_{number}.txt"))
        here = sum(counts)
        assert max(counts, default=1) == 1 and in_order
        first = len(counts) - here
        assert all(counts[i] for i in range(first, len(counts))), "all lines of its generation"
        assert first >= seen, "no line was matched by two generations"
        seen = max(seen, len(counts))
    assert seen > 0
    assert (sum(int(value) for value, _ in flushes(lab.read("stats.txt"))) ==
            3 * report["lines"]), "aggregates are exact"
    appliance.stop()


def test_hekad_killed_again_and_again(lab):
    """At least once, duplicates only of what was not acknowledged, aggregates exact."""
    wire, appliance = start_all(lab)
    plane = appliance.status()["dataplane"]["pid"]
    lab.stack.callback(lambda: kill_if_there(plane))
    load = Load(lab, wire, appliance)
    for number in range(KILLS):
        time.sleep(0.1 + 0.37 * number % 0.4)
        appliance.process.stop(signal.SIGKILL)
        appliance.start()
        assert appliance.status()["dataplane"]["pid"] == plane, "the data plane goes on"
    report = load.end()
    settle(appliance, report)
    counts, _ = read_lines(lab.path("lines.txt"))
    assert len(counts) == report["lines"] and min(counts) >= 1, "each line at least once"
    twice = sum(counts) - len(counts)
    print(f"{KILLS} kills: {len(counts)} lines, {twice} of them again")
    assert twice <= KILLS * BATCH, "duplicates: at most a batch for each kill"
    # A flush that was delivered twice is the same line twice; there is one flush a second.
    assert (sum(int(value) for value, _ in set(flushes(lab.read("stats.txt")))) ==
            3 * report["lines"]), "aggregates are exact"
    appliance.stop()


def committed_by_dead_planes(log):
    return [int(count) for count in
            re.findall(r"Lost with the data plane: .* (\d+) messages were committed", log)]


def test_data_plane_killed_again_and_again(lab):
    """What it had committed is delivered, once; the rest is lost, and its number known."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, BASE % 90)
    load = Load(lab, wire, appliance, statsd_port=0)
    for number in range(PLANE_KILLS):
        appliance.wait("some load", lambda status:
                       status["dataplane"]["counters"]["messages_committed"] > 5000)
        os.kill(appliance.status()["dataplane"]["pid"], signal.SIGKILL)
        appliance.wait("the next data plane", lambda status, n=number + 1:
                       status["dataplane"]["restarts"] == n and
                       status["dataplane"]["state"] == "running")
    appliance.wait("some load", lambda status:
                   status["dataplane"]["counters"]["messages_committed"] > 5000)
    report = load.end()
    status = appliance.settle()
    last = status["dataplane"]["counters"]
    counts, _ = read_lines(lab.path("lines.txt"))
    delivered = sum(counts)
    assert max(counts) == 1, "no line twice"
    lost = report["lines"] - delivered
    committed = committed_by_dead_planes(appliance.process.output() +
                                         appliance.process.output("err"))
    assert len(committed) == PLANE_KILLS
    # A worker shows messages before it publishes its counts: no more than were under way.
    # Flushes are committed, too; hekad was never killed, so that it has counted them all.
    statmetrics = appliance.consumer("stats", status)["delivered"]
    between = delivered + statmetrics - sum(committed) - last["messages_committed"]
    print(f"{PLANE_KILLS} kills: {report['lines']} sent, {delivered} delivered, {lost} lost, "
          f"{between} delivered and not counted; at {report['rate']} datagrams/s")
    assert 0 <= between <= PLANE_KILLS * report["window"]
    assert 0 <= lost <= PLANE_KILLS * report["window"], "only what was under way"
    row = appliance.consumer("lines", status)
    assert row["delivered"] == delivered
    assert status["dataplane"]["hung"] == 0
    appliance.stop()


def test_data_plane_that_hangs(lab):
    """A heartbeat that stands still for 10 s: killed, and started again; what it had is kept."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, BASE % 90)
    heka.send(wire.udp(port=5514), [b"line 0"], appliance, "datagrams_text")
    plane = appliance.status()["dataplane"]["pid"]
    os.kill(plane, signal.SIGSTOP)
    status = appliance.wait("another data plane", lambda status:
                            status["dataplane"]["state"] == "running" and
                            status["dataplane"]["pid"] not in (0, plane))
    assert status["dataplane"]["hung"] == 1 and status["dataplane"]["restarts"] == 1
    assert "The data plane's heartbeat stands still" in appliance.process.output("err")
    heka.send(wire.udp(port=5514), [b"line 1"], appliance, "datagrams_text")
    appliance.settle()
    assert sorted(lab.read("lines.txt").split("\n")) == ["", "line 0", "line 1"]
    appliance.stop()


def kill_if_there(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
