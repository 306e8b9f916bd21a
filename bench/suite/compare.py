# SPDX-License-Identifier: MPL-2.0
"""Two reports against each other: a verdict only beyond noise.

Runs of a case differ. A case is called faster or slower when the runs of one side all lie beyond
those of the other (so that no pairing of runs says otherwise) and the medians differ by more than
the noise: the larger of 2 % and half of the wider side's spread. Everything else is "the same,
as far as these runs tell".
"""

NOISE_MIN = 0.02
RUNS_MIN = 3  # fewer say nothing


def larger_is_better(unit):
    return unit.endswith("/s")


def spread(case):
    return (case["max"] - case["min"]) / case["median"] if case["median"] else 0.0


def verdict(before, after):
    """(word, ratio, why) for two cases; ratio is after/before, None when there is none."""
    for side, case in (("first", before), ("second", after)):
        if case is None or case.get("skipped"):
            return "missing", None, f"not in the {side} report"
        if not case["exact"] or case["failed"]:
            return "invalid", None, f"the {side} report's totals were not exact"
    if not before["median"] or not after["median"]:
        return "invalid", None, "nothing was measured"
    ratio = after["median"] / before["median"]
    if min(before["runs"], after["runs"]) < RUNS_MIN:
        return "unclear", ratio, f"fewer than {RUNS_MIN} undisturbed runs"
    noise = max(NOISE_MIN, spread(before) / 2, spread(after) / 2)
    apart = after["min"] > before["max"] or after["max"] < before["min"]
    if not apart or abs(ratio - 1) <= noise:
        return "same", ratio, f"within noise ({noise * 100:.0f} %)"
    better = (ratio > 1) == larger_is_better(before["unit"])
    return ("faster" if better else "slower"), ratio, "all runs are apart"


def index(report):
    return {(case["name"], case["case"]): case for case in report["cases"]}


def compare(before, after):
    """[(program, case, word, ratio, why)] in the order of the second report, then what it lacks."""
    old, new = index(before), index(after)
    keys = list(new) + [key for key in old if key not in new]
    return [(*key, *verdict(old.get(key), new.get(key))) for key in keys]
