# SPDX-License-Identifier: MPL-2.0
"""The main job: statsd through a DPDK port to whisper files of a real carbon-cache, exactly."""
import random
import time

import heka

pytestmark = [heka.needs_namespaces, heka.needs_carbon]

COUNTERS, GAUGES, TIMERS, ROUNDS = 6000, 2000, 2000, 3
INTERVALS_S = [5, 15, 45]

CONFIG = """
[StatsdInput]
address = "192.0.2.1:8125"

[StatAccumInput]
ticker_interval = %d

[CarbonOutput]
message_matcher = "Type == 'heka.statmetric'"
address = "127.0.0.1:2003"

[flushes]
type = "FileOutput"
message_matcher = "Type == 'heka.statmetric'"
path = "{dir}/flushes.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""


class Straddled(Exception):
    """A round took longer than the time between two flushes: try again with a longer one."""


def round_lines(number):
    """All names in an order of this round's own; values are exact in binary."""
    dice = random.Random(number)
    lines = []
    for index in range(COUNTERS):
        lines.append(f"web.host{index % 100:02}.requests{index:05}:{dice.randrange(1, 1000)}|c")
        lines.append(f"web.host{index % 100:02}.requests{index:05}:{dice.randrange(1, 99)}|c|@0.5")
    for index in range(GAUGES):
        lines += [f"disk.free.{index:05}:{dice.randrange(-4096, 4096) / 64}|g" for _ in range(2)]
    for index in range(TIMERS):
        lines += [f"db.query.{index:05}:{dice.randrange(1, 65536) / 64}|ms"
                  for _ in range(dice.randrange(0 if number else 1, 6))]
    dice.shuffle(lines)
    return lines


def flush_times(lab):
    """Unix seconds of the flushes seen so far."""
    try:
        text = lab.read("flushes.txt")
    except FileNotFoundError:
        return []
    return [int(line.split()[2]) for line in text.split("\n")
            if line.startswith("stats.statsd.numStats ") and len(line.split()) == 3]


def wait_for_flush(lab, appliance, behind):
    return heka.wait_for(f"a flush behind {behind}",
                         lambda: next((when for when in flush_times(lab) if when > behind), None),
                         300, [appliance.process])


def send_rounds(lab, wire, appliance, interval_s):
    """({flush time: {series: value}}, what an idle flush says, samples sent)"""
    model = heka.Model(interval_s)
    expected, when = {}, 0
    sender = wire.udp()
    for number in range(ROUNDS):
        when = wait_for_flush(lab, appliance, when)
        lines = round_lines(number)
        for line in lines:
            model.add_line(line)
        heka.send(sender, heka.pack(lines), appliance)
        if time.time() >= when + interval_s or flush_times(lab)[-1] != when:
            raise Straddled()
        expected[when + interval_s] = model.flush()
    return expected, model.flush(), model.samples


def compare(carbon, expected, idle):
    """Every point of every series; returns how many were compared."""
    first, last = min(expected), max(expected)
    count, wrong = 0, []
    for series in idle:
        points = carbon.points(series)
        for when in set(points) | set(expected):
            if when in expected:
                want = expected[when].get(series)
            elif when > last:
                want = idle[series]
            else:
                want = 0.0 if series == "stats.statsd.numStats" else None
            if want is None and when < first or when > last and when not in points:
                continue
            count += 1
            if points.get(when) != want:
                wrong.append((series, when, points.get(when), want))
    assert not wrong, f"{len(wrong)} of {count} points are wrong (found, wanted): {wrong[:20]}"
    return count


def wait_for_carbon(carbon, names, when):
    """Until carbon-cache has written the point of `when` of every series."""
    missing = list(names)

    def is_there():
        missing[:] = [name for name in missing if when not in carbon.points(name)]
        return not missing
    heka.wait_for(f"carbon-cache to write {len(missing)} series", is_there, 300, [carbon.process])


def run_through(lab, interval_s):
    wire = lab.wire()
    carbon = lab.carbon(wire.inner, interval_s)
    appliance = lab.appliance(wire.inner, CONFIG % interval_s)
    print(time.strftime("%X"), "started")
    expected, idle, samples = send_rounds(lab, wire, appliance, interval_s)
    last = max(expected)
    heka.wait_for("the last flush", lambda: last in flush_times(lab), 300, [appliance.process])
    print(time.strftime("%X"), "flushed")
    wait_for_carbon(carbon, idle, last)
    print(time.strftime("%X"), "written by carbon-cache")
    count = compare(carbon, expected, idle)
    print(time.strftime("%X"), count, "points compared")
    assert count >= ROUNDS * len(idle)
    assert set(carbon.series()) == set(idle)
    check_books(appliance, samples, len(idle))
    appliance.stop()
    assert "Shutdown complete." in appliance.process.output("out")


def check_books(appliance, samples, series):
    """sent == received == aggregated == flushed == delivered, and no residual anywhere."""
    status = appliance.settle(samples)
    counters = status["dataplane"]["counters"]
    assert counters["statsd_lines"] == samples
    assert (counters["samples_counter"] + counters["samples_gauge"] +
            counters["samples_timer"]) == samples
    assert counters["samples_flushed"] == samples
    assert status["dataplane"]["series"] == COUNTERS + GAUGES + TIMERS
    for name in ("CarbonOutput", "flushes"):
        row = appliance.consumer(name, status)
        assert row["matched"] == row["delivered"] == counters["messages_committed"]
        assert row["lane_full"] == 0 and row["ends"] == {}
    assert appliance.consumer("CarbonOutput", status)["plugin"]["bad_lines"] == 0
    assert series == 1 + 2 * COUNTERS + GAUGES + 8 * TIMERS


def test_every_value_arrives_exactly():
    for interval_s in INTERVALS_S:
        lab = heka.Lab()
        try:
            run_through(lab, interval_s)
            return
        except Straddled:
            print(f"a round took longer than {interval_s} s; once more, slower")
        finally:
            lab.close()
    raise AssertionError(f"a round takes longer than {INTERVALS_S[-1]} s on this machine")
