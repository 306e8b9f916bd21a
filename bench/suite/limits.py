# SPDX-License-Identifier: MPL-2.0
"""Goals that a report did not reach: by how much, where the cycles go, and what would be needed.

Figures come from the report; what was tried, and what a machine or a change would have to bring,
stands here by goal.
"""
from suite import plan
from suite.compare import index

PORT = "port: take, copy and give back"

TRIED = {  # goal: sentences
    ("statsd_rate", "packed"): [
        "Ends of names and lines are found 64 bytes at a time; a line of the usual form has a path "
        "of its own.",
        "Samples of a receive burst are added in groups, with the table's lines prefetched.",
        "A sender's account is kept for a datagram, not for a line.",
    ],
    ("statsd_rate", "single"): [
        "Packets are looked at in bursts, their headers prefetched; samples are added in groups "
        "that go over datagrams.",
        "A path for one short line, a sender's account kept over datagrams, headers compared with "
        "the last ones as a whole, short checksums in one step, mbufs given back in one call: 850 "
        "to 520 instructions a packet, 240 to 183 cycles.",
        "The generator's ring in virtio's packed format: 183 to 174 cycles.",
        "Not kept, no gain: bursts of 64, demoting the generator's cache lines, AVX-512, a "
        "vectorised virtio driver; link-time optimisation: 1 to 2 %.",
    ],
    ("message_rate", "frames"): [
        "hekad keeps off the polled core: 2.5 to 4.2 M messages/s.",
        "A record that is a message is looked at once, for decoder, matcher and lane.",
        "All rules are answered by one pass over the message.",
    ],
}

NEEDED = {
    ("statsd_rate", "packed"): [
        "A NIC that writes packets to memory itself: the software port copies each of them.",
        "Or cores that share a cache, or a higher clock.",
        "Or a second worker.",
    ],
    ("statsd_rate", "single"): [
        "A NIC: a third of a packet's cycles here is the software port's descriptors and copies, "
        "which come from a core that is far away; a NIC's driver reads descriptors alone.",
        "Or a second worker, as real NICs have queues for it.",
    ],
    ("message_rate", "frames"): [
        "Matching is the largest part: fewer expressions that have to look at the payload.",
    ],
    ("statsd_rate", "two-workers"): [
        "A third core: with two, the second worker shares its core with housekeeping and with who "
        "reads the lanes; and both share one way to memory.",
    ],
    ("peers", "packed"): [
        "The ratio follows statsd_rate packed, and what housekeeping takes to merge an interval: "
        "about a tenth of a core here, most of it for timers' values.",
    ],
    ("peers", "single"): [
        "The ratio follows statsd_rate single: see there.",
    ],
}


def stage_entry(report, program, case):
    return next((entry for entry in report.get("stages", [])
                 if (entry["program"], entry["case"]) == (program, case)), None)


def _without_port(entry, rate):
    """A sentence about the software port's share, which a NIC does not have."""
    share = next((row["share"] for row in entry["stages"] if row["stage"] == PORT), 0.0)
    if share < 0.05:
        return []
    left = entry["cycles_per_item"] * (1 - share)
    return [f"Without the port's share {left:.0f} of {entry['cycles_per_item']:.0f} cycles would "
            f"remain for each {entry['item']}: {rate / (1 - share) / 1e6:.1f} M/s."]


def _of_case(report, key, case, goal):
    entry = stage_entry(report, *key)
    cycles = case.get("cycles_per_item")
    facts = []
    if cycles:
        facts.append(f"{cycles:.0f} cycles for each item; the goal allows "
                     f"{cycles * case['median'] / goal:.0f} on this machine.")
    if case["figures"].get("empty_polls_percent", 0) > 50:
        facts.append("Most polls found nothing: the sender's core was a limit, too.")
    if entry:
        facts.append("By stage: " + ", ".join(
            f"{row['stage']} {row['cycles']:.0f}" for row in entry["stages"]
            if row["share"] >= 0.01) + f" cycles for each {entry['item']}.")
        facts += _without_port(entry, case["median"])
    return {"what": f"{key[0]} {key[1]}: {plan.GOALS[key][1]}", "found": case["median"],
            "goal": goal, "facts": facts, "tried": TRIED.get(key, []),
            "needed": NEEDED.get(key, [])}


def _of_pair(a, b):
    return [f"{case['case']}: {case['median'] / 1e6:.1f} M/s, {case['cycles_per_item']:.0f} cycles "
            "for each item." for case in (a, b) if case.get("cycles_per_item")]


def _of_peers(report):
    for row in report.get("peers", {}).get("ratios", []):
        if row["goal"] and row["ratio"] < row["goal"]:
            yield {"what": f"metrics per CPU second against {row['server']}, {row['kind']}",
                   "found": row["ratio"], "goal": row["goal"],
                   "facts": [f"{row['low']:.1f} to {row['high']:.1f} times over the runs; "
                             f"{row['ratio_with_kernel']:.1f} times with what the kernel does to "
                             "receive their datagrams."],
                   "tried": [], "needed": NEEDED[("peers", row["kind"])]}


def limits(report):
    """[{what, found, goal, facts, tried, needed}] of the goals that were not reached."""
    found = index(report)
    result = []
    for key, (goal, _) in plan.GOALS.items():
        case = found.get(key)
        if case and case["runs"] and case["median"] and case["median"] < goal:
            result.append(_of_case(report, key, case, goal))
    for program, case, of_case, least, text in plan.RATIOS:
        a, b = found.get((program, case)), found.get((program, of_case))
        if a and b and a["median"] and b["median"] and a["median"] / b["median"] < least:
            result.append({"what": text, "found": a["median"] / b["median"], "goal": least,
                           "facts": _of_pair(a, b), "tried": [],
                           "needed": NEEDED.get((program, case), [])})
    return result + list(_of_peers(report))
