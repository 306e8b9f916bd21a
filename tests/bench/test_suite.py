# SPDX-License-Identifier: MPL-2.0
"""The parts of the benchmark suite that say something about figures: comparison, plots, report, and
the traffic of the pktgen scripts, whose contents are checked by the data plane's own books."""
import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import heka

BENCH = os.path.join(heka.ROOT, "bench")
sys.path.insert(0, BENCH)

from suite import compare, machine, plan, plots, report  # noqa: E402


def case(name="p", case_name="c", values=(90, 100, 110), unit="items/s", **more):
    ordered = sorted(values)
    return {"name": name, "case": case_name, "unit": unit, "median": ordered[len(ordered) // 2],
            "min": ordered[0], "max": ordered[-1], "runs": len(ordered), "exact": True,
            "failed": False, "figures": {}, "parameters": {}, "machine": {}, **more}


@pytest.mark.parametrize("before, after, expected", [
    (dict(values=(99, 100, 101)), dict(values=(119, 120, 121)), "faster"),
    (dict(values=(99, 100, 101)), dict(values=(79, 80, 81)), "slower"),
    (dict(values=(99, 100, 101), unit="ns"), dict(values=(79, 80, 81), unit="ns"), "faster"),
    (dict(values=(99, 100, 101)), dict(values=(101, 101, 102)), "same"),      # runs overlap
    (dict(values=(99, 99.5, 100)), dict(values=(100.5, 101, 101.2)), "same"),  # apart by under 2 %
    (dict(values=(60, 100, 105)), dict(values=(106, 118, 121)), "same"),       # noise is wider
    (dict(values=(99, 100)), dict(values=(119, 120, 121)), "unclear"),
    (dict(values=(99, 100, 101), exact=False), dict(), "invalid"),
    (dict(skipped="no core"), dict(), "missing"),
])
def test_a_verdict_is_beyond_noise(before, after, expected):
    assert compare.verdict(case(**before), case(**after))[0] == expected


def test_what_only_one_report_has_is_said():
    before = {"cases": [case(case_name="old"), case(case_name="both")]}
    after = {"cases": [case(case_name="both"), case(case_name="new")]}
    found = {row[1]: row[2] for row in compare.compare(before, after)}
    assert found == {"both": "same", "new": "missing", "old": "missing"}


def test_plots_are_xml_with_every_value():
    bars = plots.bars("a < b", [("one", 5e6, 4e6, 6e6, 7e6), ("two", 1e3, 900, 1100, None)], "x/s")
    curve = plots.curve("names", [(1e3, 5, 4, 6), (1e6, 2, 1, 3)], "names", "x/s")
    for text in (bars, curve):
        ElementTree.fromstring(text)
    assert "5 M" in bars and "goal 7 M" in bars and "1 k" in bars and "a &lt; b" in bars
    assert ">1,000<" in curve and ">1,000,000<" in curve


def test_a_report_says_what_makes_a_figure_doubtful():
    found = {"machine": machine.fingerprint(heka.ROOT), "quick": True, "started": "now",
             "seconds": 1, "cases": [
                 case("statsd_rate", "packed", (17e6, 17e6, 17e6)),
                 case("tcp_rate", "lines", (20, 20, 20)),
                 case("tcp_rate", "lines-10k", (10, 10, 10)),
                 case("lane", "x", machine={"distance": "far", "disturbed_runs": 2,
                                            "hop_ns": {"before": 150, "after": 160}})]}
    text = report.text(found)
    assert "50 % of it" in text and "cores far apart (150 ns before, 160 after)" in text
    assert "10,000 connections against 100, lines" in text and "0.50  goal 0.80" in text
    page = report.html(found)
    assert page.count("<svg") >= 3 and found["machine"]["cpu"]["name"] in page


def test_the_plan_names_programs_that_exist():
    with open(os.path.join(BENCH, "CMakeLists.txt"), encoding="utf-8") as file:
        built = file.read()
    missing = [name for name in plan.PROGRAMS if f"heka_bench({name}" not in built
               and f"OUTPUT_NAME {name})" not in built]
    assert missing == []
    known = set(plan.PROGRAMS)
    assert {key[0] for key in plan.GOALS} | {row[0] for row in plan.RATIOS} <= known
    assert {row[1] for row in plan.CURVES} <= known


@pytest.mark.parametrize("name", ["single", "packed", "imix", "senders", "malformed"])
def test_pktgen_traffic_is_what_it_says(name, tmp_path):
    made = subprocess.run(
        [os.path.join(BENCH, "pktgen", "make_traffic.py"), "--to", "192.0.2.1", "--from",
         "192.0.2.2", "--names", "200", tmp_path, name], capture_output=True, check=True)
    known = json.loads(made.stdout)
    done = subprocess.run(
        [heka.DATAPLANE, "--replay", tmp_path / f"{name}.pcap", "--address", "192.0.0.1/8",
         "--address", "192.0.2.1/24", "--profile-dir", os.path.join(heka.ROOT, "nic-profiles")],
        capture_output=True, check=True)
    ledger = json.loads(done.stdout.splitlines()[-1])
    counters = ledger["counters"]
    assert ledger["residual"] == 0
    assert counters["frames_rx"] == known["frames"]
    assert counters["statsd_lines"] == known["lines"]
    assert known["lines"] - counters["samples_flushed"] == known["malformed"]
    if name == "malformed":
        assert known["malformed"] > 0
