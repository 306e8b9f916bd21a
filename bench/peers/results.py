# SPDX-License-Identifier: MPL-2.0
"""Results of all servers: runs that add up over several calls, medians, ratios and their goals."""
import json
from statistics import median

from suite.plots import scaled

OURS = {"packed": "hekaline", "single": "hekaline",
        "lines-tcp": "hekaline-agent", "lines-udp": "hekaline-agent"}
GOALS = {  # times the metrics per CPU second of that server
    "packed": {"brubeck": 5.0, "statsd": 20.0},
    "single": {"brubeck": 10.0, "statsd": 50.0},
}
KINDS = {"packed": "statsd, datagrams of 1,432 bytes, 39 lines each",
         "single": "statsd, one line in each datagram",
         "lines-tcp": "syslog lines of 120 bytes by one TCP connection, parsed, into a file",
         "lines-udp": "syslog lines of 120 bytes by UDP, parsed, into a file"}
COUNTED = """\
CPU seconds are for a million metrics, or lines. hekaline's polled core counts as used up all the
time, whatever it did; its other threads and processes (housekeeping, hekad, flushes) are added.
The others' CPU is that of their processes. What the kernel did to receive their datagrams (soft
interrupts; over loopback on the sender's core, from a NIC on their own) is the column beside it,
and the second ratio has it added, on both sides: the data plane has no such part, it does all of
that itself. Ratios are of metrics, or lines, per CPU second."""


def load(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def add(results, server, kind, variant, run):
    variants = results["servers"].setdefault(server, {}).setdefault(kind, {})
    variants.setdefault(variant, []).append(run)


def good(runs):
    return [run for run in runs if "error" not in run]


def known_rate(results, server, kind, variant):
    """Datagrams/s that earlier runs of that configuration found, or None."""
    runs = good(results["servers"].get(server, {}).get(kind, {}).get(variant, []))
    asked = [run["asked"] for run in runs if run.get("asked")]
    return median(asked) if asked else None


def best_variant(variants):
    """The configuration with the most metrics for a CPU second: (its name, its runs)."""
    rated = [(median(run["cpu_s_per_million"] for run in good(runs)), name)
             for name, runs in variants.items() if good(runs)]
    if not rated:
        return None, []
    name = min(rated)[1]
    return name, good(variants[name])


def summary(runs, key):
    values = [run[key] for run in runs]
    return {"median": median(values), "min": min(values), "max": max(values)}


def rows(results, kind):
    """One dict for each server that has a figure."""
    for server, kinds in results["servers"].items():
        variant, runs = best_variant(kinds.get(kind, {}))
        if runs:
            yield {"server": server, "variant": variant, "runs": len(runs),
                   "hop_ns": [run["hop_ns"] for run in runs if run.get("hop_ns")],
                   **{key: summary(runs, key) for key in
                      ("rate", "cpu_s_per_million", "kernel_s_per_million", "memory_bytes")}}


def ratios(results):
    """Of ours to each of the others, [{kind, server, ratio, low, high, ratio_with_kernel, goal}];
    no goal is None."""
    found = []
    for kind in KINDS:
        by_name = {row["server"]: row for row in rows(results, kind)}
        ours = by_name.pop(OURS[kind], None)
        for server, row in by_name.items() if ours else []:
            theirs, of_ours = row["cpu_s_per_million"], ours["cpu_s_per_million"]
            found.append({"kind": kind, "server": server,
                          "ratio": theirs["median"] / of_ours["median"],
                          "low": theirs["min"] / of_ours["max"],
                          "high": theirs["max"] / of_ours["min"],
                          "ratio_with_kernel": with_kernel(row) / with_kernel(ours),
                          "goal": GOALS.get(kind, {}).get(server)})
    return found


def with_kernel(row):
    return row["cpu_s_per_million"]["median"] + row["kernel_s_per_million"]["median"]


def _row_text(row, ratio):
    name = row["server"] + (f" {row['variant']}" if row["variant"] else "")
    rate, cpu = row["rate"], row["cpu_s_per_million"]
    rates = f"{scaled(rate['median'])} ({scaled(rate['min'])} to {scaled(rate['max'])})"
    cpus = f"{cpu['median']:.4f} ({cpu['min']:.4f} to {cpu['max']:.4f})"
    text = (f"{name:22} {rates:27} {cpus:26} {row['kernel_s_per_million']['median']:7.4f} "
            f"{row['memory_bytes']['median'] / 1e6:6.0f} {row['runs']:4}")
    if ratio is None:
        return text
    words = (f"{text}  {ratio['ratio']:.1f} ({ratio['low']:.1f} to {ratio['high']:.1f}), "
             f"{ratio['ratio_with_kernel']:.1f}")
    if ratio["goal"]:
        words += (f"; goal {ratio['goal']:.0f}: {_goal_word(ratio['ratio'], ratio['goal'])}, "
                  f"{_goal_word(ratio['ratio_with_kernel'], ratio['goal'])}")
    return words


def _goal_word(ratio, goal):
    return "reached" if ratio >= goal else f"{ratio / goal * 100:.0f} %"


def table(results):
    """Lines for a terminal: a table for each kind of traffic, and what is counted."""
    lines = []
    found = {(row["kind"], row["server"]): row for row in ratios(results)}
    for kind, words in KINDS.items():
        shown = list(rows(results, kind))
        if not shown:
            continue
        lines += [f"{kind}: {words}",
                  f"{'server':22} {'items/s without loss':27} {'CPU s per million':26} "
                  f"{'kernel':>7} {'MB':>6} {'runs':>4}  ours to it, with kernel"]
        lines += [_row_text(row, found.get((kind, row["server"]))) for row in shown]
        hops = [hop for row in shown for hop in row["hop_ns"]]
        if hops:
            lines.append(f"a cache line took {min(hops):.0f} to {max(hops):.0f} ns between the two "
                         "cores before these runs")
        lines.append("")
    return "\n".join([*lines, COUNTED]) + "\n" if lines else "nothing was measured\n"
