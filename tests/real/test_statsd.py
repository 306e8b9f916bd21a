# SPDX-License-Identifier: MPL-2.0
# [option StatAccumInput.naming] [option StatAccumInput.etsy]
# [option StatAccumInput.etsy.legacy_namespace] [option StatAccumInput.etsy.global_prefix]
# [option StatAccumInput.etsy.prefix_counter] [option StatAccumInput.etsy.prefix_timer]
# [option StatAccumInput.etsy.prefix_gauge] [option StatAccumInput.etsy.prefix_set]
# [option StatAccumInput.etsy.global_suffix] [option StatAccumInput.etsy.prefix_stats]
# [option StatAccumInput.etsy.percent_threshold] [option StatAccumInput.etsy.histogram]
# [option StatAccumInput.etsy.calculated_timer_metrics] [option StatAccumInput.etsy.flush_counts]
# [option StatAccumInput.etsy.delete_idle_stats] [option StatAccumInput.etsy.delete_counters]
# [option StatAccumInput.etsy.delete_timers] [option StatAccumInput.etsy.delete_gauges]
# [option StatAccumInput.etsy.delete_sets] [option StatAccumInput.etsy.gauges_max_ttl]
# [option StatAccumInput.etsy.key_name_sanitize] [option StatsdInput.tags]
"""test_statsd.py - the same seeded traffic through the real statsd of the npm registry and through
our parser, shard and accumulator with naming "etsy" (statsd_tool): every series that it sends to
Graphite is there, with the same value to 1e-9.

An interval's datagrams are sent as soon as the flush before has come, and the flush behind them
must say that it counted all of them; statsd has no other clock. When one says otherwise, the
machine was too slow for the interval, and the case starts anew."""
import concurrent.futures
import json
import math
import os
import random
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

import pytest
from process import die_with_parent
from scapy.all import IP, UDP, Ether, Raw

VERSION = "0.9.0"
INTERVAL_S = 1
TRIES = 8
AT_A_TIME = 3
# Times and sizes of statsd's own doings: there, but with values of their own.
OWN_VALUES = ("graphiteStats.", "processing_time", "timestamp_lag")
BIN_DIR = os.environ.get("HEKA_BIN_DIR", "build/dev/bin")
HEKAD = os.path.join(BIN_DIR, "hekad")
DATAPLANE = os.path.join(BIN_DIR, "heka-dataplane")
TOOL = os.path.join(BIN_DIR, "..", "tests", "real", "statsd_tool")


@pytest.fixture(scope="module")
def statsd():
    """The folder of the real one."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("real: npm and node are not installed")
    folder = tempfile.mkdtemp(prefix="heka-statsd-")
    try:
        command = ["npm", "install", "--prefix", folder, "--ignore-scripts", "--no-audit",
                   "--no-fund", "--fetch-retries=1", "--fetch-timeout=30000", f"statsd@{VERSION}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired:
            pytest.skip("real: the npm registry does not answer")
        if done.returncode != 0:
            pytest.skip(f"real: npm cannot install statsd: {done.stderr.strip()[-200:]}")
        yield os.path.join(folder, "node_modules", "statsd")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# ---- the real one ----

class Graphite:
    """Takes flushes, in whatever connections they come: statsd makes one for each, hekad does not.
    Both end a flush with the same line."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.flushes = []
        self.came = threading.Condition()
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        lines = []
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            with peer, peer.makefile("r", encoding="utf-8") as text:
                for line in text:
                    lines += [line] if line.strip() else []
                    if "graphiteStats.flush_length" not in line:
                        continue
                    with self.came:
                        self.flushes.append("".join(lines))
                        self.came.notify_all()
                    lines = []

    def wait(self, count):
        with self.came:
            assert self.came.wait_for(lambda: len(self.flushes) >= count, timeout=30), "no flush"
            return self.flushes[count - 1]

    def close(self):
        self.server.close()


def send_intervals(graphite, port, prefix, intervals):
    """The payload of a flush before all traffic, and of one behind each interval. None when some
    of an interval's datagrams were not counted in its flush."""
    flushes = [graphite.wait(1)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagrams in intervals:
            before = len(graphite.flushes)
            for datagram in datagrams:
                sender.sendto(datagram, ("127.0.0.1", port))
            flushes.append(graphite.wait(before + 1))
            if counted(flushes[-1], prefix) != {len(datagrams)} or \
                    len(graphite.flushes) != before + 1:
                return None
    return flushes


def run_program(command, folder, graphite, port, prefix, intervals):
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT,
                                   preexec_fn=die_with_parent)
        try:
            return send_intervals(graphite, port, prefix, intervals)
        except AssertionError as error:
            log.seek(0)
            raise AssertionError(f"{error}; {command[0]}: {log.read()[-2000:]}") from error
        finally:
            process.terminate()
            process.wait()
            graphite.close()


def counted(payload, prefix):
    """What it says of the datagrams: a rate of INTERVAL_S, and mostly a count."""
    found = [line.split() for line in payload.splitlines() if prefix + ".packets_received" in line]
    return {round(float(value) * (INTERVAL_S if name.endswith("rate") else 1))
            for name, value, _ in found}


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_tcp_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def write_config(folder, options, port, graphite_port):
    config = {"port": port, "address": "127.0.0.1", "mgmt_port": free_tcp_port(),
              "mgmt_address": "127.0.0.1", "graphiteHost": "127.0.0.1",
              "graphitePort": graphite_port, "backends": ["./backends/graphite"],
              "flushInterval": INTERVAL_S * 1000, "automaticConfigReload": False}
    config.update(options)
    path = os.path.join(folder, "config.js")
    with open(path, "w") as out:
        out.write(json.dumps(config, indent=1))
    return path


def run_real(folder, options, intervals):
    graphite, port = Graphite(), free_port()
    with tempfile.TemporaryDirectory() as scratch:
        config = write_config(scratch, options, port, graphite.port)
        return run_program(["node", "stats.js", config], folder, graphite, port,
                           options.get("prefixStats", "statsd"), intervals)


# ---- ours ----

def run_ours(options, intervals, times):
    config = {"naming": "etsy", "ticker_interval": INTERVAL_S, "etsy": options}
    script = [f"F {times[0]}"]
    for datagrams, now in zip(intervals, times[1:]):
        script += ["D " + datagram.hex() for datagram in datagrams]
        script.append(f"F {now}")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as out:
        json.dump(config, out)
        out.flush()
        done = subprocess.run([TOOL, out.name], input="\n".join(script) + "\n", text=True,
                              capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n.\n")[:-1] if not done.stdout.startswith(".\n") else []


# ---- ours, as a whole: hekad with its own sockets ----

def write_toml(folder, options, port, carbon_port):
    path = os.path.join(folder, "hekad.toml")
    text = f"""
[hekad]
base_dir = "{folder}/base"
[StatsdInput]
address = "127.0.0.1:{port}"
dialects = ["etsy", "dogstatsd"]
[StatAccumInput]
ticker_interval = {INTERVAL_S}
naming = "etsy"
[CarbonOutput]
message_matcher = "Type == 'heka.statmetric'"
address = "127.0.0.1:{carbon_port}"
[StatAccumInput.etsy]
"""
    text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())
    with open(path, "w") as out:
        out.write(text)
    return path


def run_hekad(options, intervals):
    graphite, port = Graphite(), free_port()
    with tempfile.TemporaryDirectory(prefix="heka-", dir="/tmp") as folder:
        os.mkdir(os.path.join(folder, "run"))
        config = write_toml(folder, options, port, graphite.port)
        command = [HEKAD, "-run-dir", os.path.join(folder, "run"), "-config", config]
        return run_program(command, folder, graphite, port, "statsd", intervals)


# ---- ours, as a whole: the data plane, from a trace ----

START_S = 1_700_000_000


def write_trace(path, datagrams):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, datagram in enumerate(datagrams):
            data = bytes(Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01") /
                         IP(src="192.0.2.2", dst="192.0.2.1") /
                         UDP(sport=40000, dport=8125) / Raw(datagram))
            out.write(struct.pack("<IIII", START_S, i, len(data), len(data)))
            out.write(data)


def run_replay(options, datagrams):
    """The payload of the one flush that a replay has, at its end."""
    plan = {"hostname": "aggregator", "accumulators": [
                {"name": "a", "naming": "etsy", "ticker_interval": INTERVAL_S, "etsy": options}],
            "listeners": [{"name": "s", "kind": "statsd", "address": "192.0.2.1:8125",
                           "accumulator": "a", "dialects": ["etsy", "dogstatsd"]}],
            "consumers": [{"name": "all", "message_matcher": "TRUE"}]}
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "plan.json"), "w") as out:
            json.dump(plan, out)
        write_trace(os.path.join(folder, "trace.pcap"), datagrams)
        done = subprocess.run([DATAPLANE, "--replay", os.path.join(folder, "trace.pcap"), "--plan",
                               os.path.join(folder, "plan.json")],
                              capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["residual"] == 0
    return "".join(line["message"]["Payload"] for line in lines[:-1])


# ---- comparing ----

def parse(payload):
    series, times = {}, set()
    for line in payload.splitlines():
        name, value, now = line.rsplit(" ", 2)
        series.setdefault(name, []).append(float(value))
        times.add(int(now))
    return {name: sorted(values, key=lambda v: (math.isnan(v), v))
            for name, values in series.items()}, times


def same(real, ours):
    if math.isnan(real):  # of an index that is not there; Graphite drops it
        return math.isfinite(ours)
    return math.isclose(real, ours, rel_tol=1e-9, abs_tol=1e-12)


def compare(real_payload, our_payload, where):
    real, _ = parse(real_payload)
    ours, _ = parse(our_payload)
    wrong = [f"only statsd: {name} {real[name]}" for name in sorted(real.keys() - ours.keys())]
    wrong += [f"only ours: {name} {ours[name]}" for name in sorted(ours.keys() - real.keys())]
    for name in sorted(real.keys() & ours.keys()):
        if any(own in name for own in OWN_VALUES):
            continue
        if len(real[name]) != len(ours[name]) or not all(map(same, real[name], ours[name])):
            wrong.append(f"{name}: statsd {real[name]}, ours {ours[name]}")
    assert not wrong, f"{where}: {len(wrong)} of {len(real)} differ:\n" + "\n".join(wrong[:40])
    return len(real)


# ---- traffic ----

RATES = ["", "", "", "|@0.1", "|@0.5", "|@0.25", "|@1"]
TAGS = ["", "", "", "", "|#env:prod", "|#az:b,env:test"]


def number(rng, low, high):
    shape = rng.randrange(4)
    if shape == 0:
        return repr(round(rng.uniform(low, high), 3))
    if shape == 1 and low >= 0:
        return f"{rng.randrange(1, 99)}e{rng.randrange(0, 3)}"
    return str(rng.randrange(int(low), int(high)))


def counter(rng):
    return f"{number(rng, -50, 500)}|c{rng.choice(RATES)}"


def timer(rng):
    return f"{number(rng, 0, 3000)}|ms{rng.choice(RATES)}"


def gauge(rng):
    return rng.choice(["", "", "+", "-"]) + f"{number(rng, 0, 900)}|g"


def member(rng):
    return f"user{rng.randrange(40)}|s"


KINDS = {"c": counter, "t": timer, "g": gauge, "s": member}
NAMES = ["web.hits", "web.render_time", "db/query", "two words", "odd%name!", "a.b.c.d", "x", "y-z",
         "UPPER.case", "tab\tbed", "render.page", "foo.bar", "packets_received.mine"]
BAD = ["nopipe:1", "word:abc|c", "rate:1|c|@x", "empty:|ms", "minus:-5|ms"]


def line(rng, kinds):
    kind = rng.choice(kinds)
    name = f"{rng.choice(NAMES)}.{kind}{rng.randrange(3)}"
    tags = rng.choice(TAGS)
    values = [KINDS[kind](rng) for _ in range(rng.choice([1, 1, 1, 2, 4]) if not tags else 1)]
    return name + ":" + ":".join(values) + tags


def interval(rng, lines, kinds="ctgs"):
    out, datagram = [], []
    for _ in range(lines):
        datagram.append(rng.choice(BAD) if rng.random() < 0.03 else line(rng, kinds))
        if rng.random() < 0.3:
            out.append("\n".join(datagram).encode())
            datagram = []
    if datagram:
        out.append("\n".join(datagram).encode() + b"\n")
    return out


def traffic(seed):
    """Busy, busy, some types only, nothing, busy again."""
    rng = random.Random(seed)
    return [interval(rng, 300), interval(rng, 200), interval(rng, 60, "cg"), [],
            [b"bare.counter", b"set.only:a|s\nset.only:b|s\nset.only:a|s"] + interval(rng, 100)]


# ---- options: as statsd has them, and as we do ----

HISTOGRAM = [{"metric": "render", "bins": [1, 10, 100.5, 1000, "inf"]},
             {"metric": "foo", "bins": []}, {"metric": "", "bins": [50, 500]}]

CASES = {
    "defaults": ({}, {}),
    "names": (
        {"graphite": {"legacyNamespace": False, "globalPrefix": "top", "prefixCounter": "cc",
                      "prefixTimer": "tt", "prefixGauge": "", "prefixSet": "ss",
                      "globalSuffix": "host7"}, "prefixStats": "own"},
        {"legacy_namespace": False, "global_prefix": "top", "prefix_counter": "cc",
         "prefix_timer": "tt", "prefix_gauge": "", "prefix_set": "ss", "global_suffix": "host7",
         "prefix_stats": "own"}),
    "no_global_prefix": (
        {"graphite": {"legacyNamespace": False, "globalPrefix": ""}, "flush_counts": False},
        {"legacy_namespace": False, "global_prefix": "", "flush_counts": False}),
    "percentiles_and_histograms": (
        {"percentThreshold": [90, -10, 99.9, 50, 0.1, 100, -60], "histogram": HISTOGRAM},
        {"percent_threshold": [90, -10, 99.9, 50, 0.1, 100, -60], "histogram": HISTOGRAM}),
    "calculated_timer_metrics": (
        {"percentThreshold": [75, -25], "histogram": HISTOGRAM, "calculatedTimerMetrics":
         ["count", "median", "upper_percent", "lower_percent", "histogram"]},
        {"percent_threshold": [75, -25], "histogram": HISTOGRAM, "calculated_timer_metrics":
         ["count", "median", "upper_percent", "lower_percent", "histogram"]}),
    "delete_idle_stats": (
        {"deleteIdleStats": True, "gaugesMaxTTL": 2, "percentThreshold": -90},
        {"delete_idle_stats": True, "gauges_max_ttl": 2, "percent_threshold": -90}),
    "delete_some": (
        {"deleteIdleStats": True, "deleteTimers": False, "deleteSets": False,
         "graphite": {"globalSuffix": "x"}},
        {"delete_idle_stats": True, "delete_timers": False, "delete_sets": False,
         "global_suffix": "x"}),
    "delete_gauges_and_counters": (
        {"deleteGauges": True, "deleteCounters": True, "graphite": {"legacyNamespace": False}},
        {"delete_gauges": True, "delete_counters": True, "legacy_namespace": False}),
    "no_sanitizing": ({"keyNameSanitize": False}, {"key_name_sanitize": False}),
}


def in_whole_intervals(run, *args):
    for _ in range(TRIES):
        flushes = run(*args)
        if flushes is not None:
            return flushes
    raise AssertionError(f"no interval was counted whole in {TRIES} tries")


def compare_all(name, real, ours):
    assert len(ours) == len(real)
    compared = sum(compare(payload, our_payload, f"{name}, flush {i}")
                   for i, (payload, our_payload) in enumerate(zip(real, ours)))
    assert compared > 300
    print(f"{name}: {compared} values equal")


def real_of(statsd, name):
    return in_whole_intervals(run_real, statsd, CASES[name][0], traffic(sum(name.encode())))


@pytest.fixture(scope="module")
def real(statsd):
    """What the real one sends in each case. It mostly waits: some of them at the same time."""
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {name: pool.submit(real_of, statsd, name) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_every_series_is_equal(real, name):
    flushes = real[name].result()
    times = [max(parse(payload)[1]) for payload in flushes]
    compare_all(name, flushes, run_ours(CASES[name][1], traffic(sum(name.encode())), times))


def test_hekad_and_the_data_plane(statsd):
    options = {"percent_threshold": [90, -10], "delete_idle_stats": True}
    intervals = traffic(5)
    real = in_whole_intervals(run_real, statsd, {"percentThreshold": [90, -10],
                                                 "deleteIdleStats": True}, intervals)
    # The lag is known from the second flush on, and a stat of its own then.
    first = "\n".join(line for line in real[1].splitlines()
                      if "timestamp_lag" not in line and "numStats" not in line)
    ours = "\n".join(line for line in run_replay(options, intervals[0]).splitlines()
                     if "numStats" not in line)
    assert compare(first, ours, "data plane") > 300
    compare_all("hekad", real, in_whole_intervals(run_hekad, options, intervals))
