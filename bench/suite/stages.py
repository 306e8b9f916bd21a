# SPDX-License-Identifier: MPL-2.0
"""Where a worker's cycles go: perf's samples of its thread while a benchmark runs, by stage.

A sample belongs to the function that was running; the source file of that function (debug
information) or the library it is in says which stage that is. Cycles of a stage are its share of
the cycles per item that the benchmark says in the same run. perf is asked for samples by the CPU
clock, which every machine has; hardware counters are read where there are any.
"""
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

FREQUENCY_HZ = 4000
SAMPLES_MIN = 500
START_LIMIT_S = 30
END_LIMIT_S = 60
COUNTERS = ("cycles", "instructions", "cache-misses", "branch-misses")
OTHER = "other"

# (program, case, options, seconds from the first poll to the samples, of samples, item)
CASES = [
    ("statsd_rate", "packed", ["--seconds", "4"], 1.0, 3.0, "metric"),
    ("statsd_rate", "single", ["--seconds", "4"], 1.0, 3.0, "metric"),
    ("message_rate", "frames", [], 0.3, 0.9, "message"),
]

# (pattern of the source file or library, stage), the first that matches counts
STAGES = [
    (r"dataplane/text_listener", "split into messages"),
    (r"librte_(net_)?vhost|librte_net_|librte_(ethdev|bus|mempool|ring)|librte_mbuf",
     "port: take, copy and give back"),
    (r"dataplane/(worker|port|generation|idle_list|spill)", "turn of the worker"),
    (r"dataplane/", "packet checks and listener"),
    (r"stats/(statsd|decimal)", "statsd: parse"),
    (r"stats/shard_(senders|traffic|guard|totals)", "statsd: senders and limits"),
    (r"stats/", "statsd: add to the series"),
    (r"matcher/message_sink|core/(lane|segment|record)", "to the lane"),
    (r"matcher/|libhs", "match"),
    (r"codec/.*split|core/(frame|signers)", "split into messages"),
    (r"codec/|core/(message|wire|buffer|msg_)", "look at messages"),
    (r"kernel|vdso", "kernel and clock"),
    (r"core/|libc|@plt|ld-linux|xxhash", "copies and small helpers"),
]


def stage_of(place):
    return next((stage for pattern, stage in STAGES if re.search(pattern, place)), OTHER)


def why_not(build):
    """Why stages cannot be measured here, or ""."""
    if shutil.which("perf") is None:
        return "perf is not installed (Debian: linux-perf)"
    if not (build / "bin" / "heka-dataplane").is_file():
        return f"{build}/bin/heka-dataplane is not built"
    probe = subprocess.run(["perf", "record", "-e", "cpu-clock", "-o", "/dev/null", "--", "true"],
                           capture_output=True, text=True, check=False)
    return "" if probe.returncode == 0 else (
        "perf may not sample here: " + probe.stderr.strip()[-200:])


def source_files(program):
    """{function: where it is defined}; functions of one name in several files have all of them."""
    listed = subprocess.run(["nm", "-l", "--defined-only", str(program)], capture_output=True,
                            text=True, check=False)
    found = {}
    for line in listed.stdout.splitlines():
        row = re.match(r"\S+ [tTwW] (\S+)\s+(\S+):\d+$", line)
        if row:
            found.setdefault(row[1], set()).add(row[2].rsplit("../", maxsplit=1)[-1])
    return {name: " ".join(sorted(files)) for name, files in found.items()}


def read_samples(text, files):
    """perf's report as {place: samples}; a place is a source file or a library."""
    counts = {}
    for line in text.splitlines():
        row = [cell.strip() for cell in line.split("|")]
        if len(row) < 3 or not row[0].isdigit():
            continue
        name = row[2].removeprefix("[.]").removeprefix("[k]").strip()
        place = files.get(name, name) if "heka" in row[1] else row[1]
        counts[place] = counts.get(place, 0) + int(row[0])
    return counts


def by_stage(counts):
    """[(stage, share)], the largest first."""
    total = sum(counts.values())
    shares = {}
    for place, samples in counts.items():
        stage = stage_of(place)
        shares[stage] = shares.get(stage, 0) + samples / total
    return sorted(shares.items(), key=lambda row: -row[1])


def _children(pid):
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, tasks.read_text().split()):
                yield child
                yield from _children(child)
        except OSError:
            continue


def find_worker(pid):
    """Thread id of a data plane's worker below process `pid`, or None."""
    for child in _children(pid):
        for name in Path(f"/proc/{child}/task").glob("*/comm"):
            try:
                if name.read_text().startswith("rte-worker"):
                    return int(name.parent.name)
            except OSError:
                continue
    return None


def _wait_for_worker(process):
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        worker = find_worker(process.pid)
        if worker is not None:
            return worker
        time.sleep(0.05)
    raise RuntimeError("the benchmark started no worker")


def read_counters(text):
    """What `perf stat -x,` counted, {} when the machine has no counters."""
    found = {}
    for line in text.splitlines():
        row = line.split(",")
        if len(row) > 2 and row[0].isdigit():
            found[row[2].split(":")[0]] = int(row[0])
    return found


def _sample(worker, seconds, files, folder):
    data = folder / "perf.data"
    stat = subprocess.Popen(
        ["perf", "stat", "-x", ",", "-e", ",".join(COUNTERS), "-t", str(worker), "--", "sleep",
         str(seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # When the worker ends before that, perf ends by a signal, with what it has.
    subprocess.run(["perf", "record", "-e", "cpu-clock", "-F", str(FREQUENCY_HZ), "-t", str(worker),
                    "-o", str(data), "--", "sleep", str(seconds)], capture_output=True, check=False)
    counters = read_counters(stat.communicate()[1])
    shown = subprocess.run(
        ["perf", "report", "-i", str(data), "--stdio", "--no-children", "--sort", "dso,symbol",
         "-F", "sample,dso,symbol", "-t", "|"], capture_output=True, text=True, check=True)
    return read_samples(shown.stdout, files), counters


def _per_packet(case):
    """Items in a packet, by what the benchmark says."""
    figures, parameters = case["figures"], case["parameters"]
    if "cycles_per_packet" in figures and case["cycles_per_item"]:
        return figures["cycles_per_packet"] / case["cycles_per_item"]
    return parameters.get("messages_per_packet") or parameters.get("metrics_per_packet") or 1.0


def result(case, item, counts, counters):
    """One entry of a report's "stages"."""
    shares, cycles = by_stage(counts), case["cycles_per_item"]
    return {
        "program": case["name"], "case": case["case"], "item": item,
        "cycles_per_item": cycles, "items_per_packet": _per_packet(case),
        "samples": sum(counts.values()), "rate": case["median"], "unit": case["unit"],
        "empty_polls_percent": case["figures"].get("empty_polls_percent"),
        "stages": [{"stage": stage, "share": share, "cycles": share * cycles}
                   for stage, share in shares],
        "hardware": {name: value / counters["cycles"] * cycles
                     for name, value in counters.items() if counters.get("cycles")},
        "places": dict(sorted(counts.items(), key=lambda row: -row[1])[:40]),
    }


def measure_case(build, row, files):
    program, case_name, options, warm_s, seconds, item = row
    with tempfile.TemporaryDirectory(prefix="heka-stages-") as folder:
        process = subprocess.Popen(
            [str(build / "bench" / program), "--json", "--quick", "--runs", "1", *options,
             case_name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            worker = _wait_for_worker(process)
            time.sleep(warm_s)
            counts, counters = _sample(worker, seconds, files, Path(folder))
            output = process.communicate(timeout=END_LIMIT_S)[0]
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if sum(counts.values()) < SAMPLES_MIN:
        raise RuntimeError(f"perf took {sum(counts.values())} samples, too few to say anything")
    cases = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    if not cases or not cases[0]["exact"] or not cases[0]["cycles_per_item"]:
        raise RuntimeError("the benchmark's totals were not exact")
    return result(cases[0], item, counts, counters)


def measure(build):
    """(entries, texts about what was not measured)"""
    reason = why_not(build)
    if reason:
        return [], [reason]
    files = source_files(build / "bin" / "heka-dataplane")
    found, skipped = [], []
    for row in CASES:
        try:
            found.append(measure_case(build, row, files))
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            skipped.append(f"{row[0]} {row[1]}: {error}")
    if found and not any(entry["hardware"] for entry in found):
        skipped.append("hardware counters (instructions, cache misses): this machine has none")
    return found, skipped
