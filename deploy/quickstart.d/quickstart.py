#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""quickstart.py - the demonstration behind deploy/quickstart, when all is built.

Two network namespaces and a veth between them: in one the appliance polls port0 (an af_packet port)
and a real carbon-cache listens on loopback, in the other this script is the application that sends
statsd. Every number of the table at the end is counted on its own: what was sent here, what the
data plane counted, and what stands in the whisper files.
"""
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
os.environ["HEKA_BIN_DIR"] = BIN_DIR = os.path.join(ROOT, "build", "release", "bin")
import appliance  # noqa: E402
from carbon import Carbon  # noqa: E402
from namespace import PEER_IP4, PORT_IP4, Wire  # noqa: E402
from process import Process, wait_for  # noqa: E402
from statsd_model import pack  # noqa: E402

COUNTERS, GAUGES, TIMERS = 2000, 500, 500
SAMPLES = 60000
INTERVAL_S = 5  # as in hekad.toml
WAIT_S = 180
GREEN, RED, PLAIN = "\033[1;32m", "\033[1;31m", "\033[0m"


class Demo(appliance.Appliance):
    """hekad with the configuration of this folder."""

    def __init__(self, folder, namespace):
        self.folder, self.namespace = folder, namespace
        self.run_dir = os.path.join(folder, "run")
        self.process = None

    def start(self):
        environment = dict(appliance.environment(self.folder), QUICKSTART_DIR=self.folder)
        self.process = Process("hekad", self.namespace.command(
            os.path.join(BIN_DIR, "hekad"), "-config", os.path.join(HERE, "hekad.toml"),
            "-run-dir", self.run_dir), self.folder, environment)
        self.wait("the data plane to run", lambda status: (
            status["dataplane"]["state"] == "running"))


def make_traffic():
    """(lines, last value of each gauge). A counter's sample is 1, so counts are samples."""
    dice = random.Random(1)
    lines, gauges = [], {}
    names = ([f"shop.web{index % 20:02}.requests{index:04}" for index in range(COUNTERS)],
             [f"shop.stock.item{index:03}" for index in range(GAUGES)],
             [f"shop.db.query{index:03}" for index in range(TIMERS)])
    for index in range(SAMPLES):
        kind = dice.choices((0, 1, 2), (8, 1, 1))[0] if index >= len(names[0]) else 0
        name = names[kind][index % len(names[kind])]
        value = dice.randrange(1, 10000) / 4
        if kind == 1:
            gauges[name] = value
        lines.append((f"{name}:1|c", f"{name}:{value}|g", f"{name}:{value}|ms")[kind])
    return lines, gauges


def delivered(carbon, lines, gauges):
    """Samples that the whisper files account for: sums of all .count series, and the gauges whose
    last value is the last one sent."""
    kinds = {"c": 0, "g": 0, "ms": 0}
    for line in lines:
        kinds[line.rsplit("|", 1)[1]] += 1
    total, series = 0, 0
    right = 0
    for name in carbon.series():
        series += 1
        points = carbon.points(name)
        if name.endswith(".count"):
            total += int(sum(points.values()))
        elif name.startswith("stats.gauges."):
            right += bool(points) and points[max(points)] == gauges.get(name[len("stats.gauges."):])
    return total + (kinds["g"] if right == len(gauges) else right), series


def show(rows):
    """The table; returns whether all numbers agree."""
    sent = rows[0][1]
    print()
    for label, value, note in rows:
        wanted = 0 if label == "residual" else sent
        mark = "" if value == wanted else f"  {RED}<- differs{PLAIN}"
        print(f"  {label:<12} {value:>8}  {note}{mark}")
    print()
    return all(value == (0 if label == "residual" else sent) for label, value, _ in rows)


def run_traffic(wire, hekad, carbon):
    lines, gauges = make_traffic()
    datagrams = pack(lines)
    names = len({line.split(":")[0] for line in lines})
    print(f"sending {len(lines)} metrics of {names} names in {len(datagrams)} "
          f"datagrams to {PORT_IP4}:8125")
    sender = wire.udp(PORT_IP4, 8125)
    appliance.send(sender, datagrams, hekad)
    print(f"waiting for the flush, which comes every {INTERVAL_S} s, and for carbon-cache")
    try:
        hekad.wait("the flush and its delivery", lambda status: (
            status["dataplane"]["counters"]["samples_flushed"] >= len(lines) and
            not any(row["in_flight"] or row["held"] for row in status["consumers"])), WAIT_S)
        wait_for("carbon-cache to write", lambda: (
            delivered(carbon, lines, gauges)[0] >= len(lines)), WAIT_S, [carbon.process])
    except AssertionError as error:
        print(str(error).splitlines()[0])
    return report(hekad.status(), lines, delivered(carbon, lines, gauges))


def report(status, lines, found):
    counters = status["dataplane"]["counters"]
    output = status["consumers"][0]
    return show([
        ("sent", len(lines), "statsd lines from the other namespace"),
        ("received", counters["statsd_lines"],
         f"lines in {counters['datagrams_statsd']} datagrams on the DPDK port"),
        ("aggregated", counters["samples_flushed"],
         f"samples in {status['dataplane']['series']} series"),
        ("delivered", found[0], f"samples in {found[1]} whisper files; carbon-cache confirmed "
                                f"{output['delivered']} messages"),
        ("residual", status["residual"], "frames, packets, lines, samples or messages unaccounted"),
    ])


def stay(wire, hekad, carbon):
    """Says how to use it, until Ctrl-C."""
    enter = f"nsenter -t {wire.outer.holder.pid} -n"
    outside = "as root: "
    if open("/proc/self/uid_map", encoding="utf-8").read().split()[2] != "4294967295":
        enter, outside = f"nsenter -t {wire.outer.holder.pid} -U --preserve-credentials -n", ""
    send = f"{enter} bash -c 'echo my.counter:1\\|c >/dev/udp/{PORT_IP4}/8125'"
    example = carbon.path("stats.counters.my.counter.count")
    print(f"""It keeps running. In another terminal:

  send to it ({outside}from the namespace of the sender, {PEER_IP4}):
    {send}
    {enter} ping -c 3 {PORT_IP4}

  the ledger:
    {BIN_DIR}/hekad status -run-dir {hekad.run_dir}

  what Graphite would show, {INTERVAL_S} seconds later:
    ls {carbon.dir}/whisper/stats
    whisper-fetch --pretty --from=$(($(date +%s) - 60)) {example}

  logs: {hekad.process.paths['out']}, {carbon.process.paths['out']}

Ctrl-C ends everything.""", flush=True)
    while hekad.process.is_running():
        time.sleep(0.2)
    raise AssertionError(f"hekad ended\n{hekad.process.logs()}")


def demonstrate(folder, keep, may_stay):
    def started(what, thing):
        keep.append(thing)
        thing.start()
        print(f"started {what}")
        return thing
    wire = started("two network namespaces and a veth between them", Wire(folder))
    carbon = started("carbon-cache", Carbon(folder, wire.inner, INTERVAL_S))
    hekad = started("hekad and heka-dataplane", Demo(folder, wire.inner))
    pages = "huge" if '"pages": "huge"' in hekad.process.output() else "normal"
    print(f"the data plane polls port0 with {pages} pages")
    good = run_traffic(wire, hekad, carbon)
    if good and may_stay:
        stay(wire, hekad, carbon)
    hekad.stop()
    return good


def end(number, frame):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    Process.shows_logs = False
    folder = tempfile.mkdtemp(prefix="hekaline-", dir="/tmp")
    keep, good, why = [], False, "the numbers differ"
    stays = "--stay" in sys.argv[1:]
    try:
        good = demonstrate(folder, keep, stays)
    except KeyboardInterrupt:
        print("\nending")
        good, why = stays, "interrupted"
    except AssertionError as error:
        why = str(error)
    except Exception as error:  # whatever it was, it ends with the red line
        traceback.print_exc()
        why = f"{type(error).__name__}: {error}"
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for thing in reversed(keep):
            thing.close()
        shutil.rmtree(folder, ignore_errors=True)
    if not good:
        first, *rest = why.split("\n")
        print("\n".join(rest), file=sys.stderr)
        print(f"{RED}FAILED: {first}{PLAIN}", file=sys.stderr)
        return 1
    print(f"{GREEN}OK: every metric is accounted for{PLAIN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
