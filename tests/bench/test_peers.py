# SPDX-License-Identifier: MPL-2.0
"""The parts of bench/peers and of the suite's stages and limits that decide what a figure says."""
import os
import sys
import types

import pytest

import heka

BENCH = os.path.join(heka.ROOT, "bench")
sys.path[:0] = [BENCH, os.path.join(BENCH, "peers")]

import by_port  # noqa: E402
import by_socket  # noqa: E402
import results  # noqa: E402
from adapters import PEERS  # noqa: E402
from carbon_sink import CarbonSink  # noqa: E402
from log_servers import LOG_SERVERS  # noqa: E402
from server import FileSink, ReceiveBuffers  # noqa: E402
from suite import limits, stages  # noqa: E402


def run(cpu, rate=1e6, kernel=0.0, **more):
    return {"rate": rate, "cpu_s_per_million": cpu, "kernel_s_per_million": kernel,
            "memory_bytes": 1e6, "hop_ns": 131.0, **more}


def filled(**kinds):
    """Results of packed traffic: server=[(variant, run)]"""
    found = {"servers": {}}
    for server, rows in kinds.items():
        for variant, one in rows:
            results.add(found, server, "packed", variant, one)
    return found


def test_ratios_are_of_medians_and_of_the_best_configuration():
    found = filled(
        hekaline=[("", run(0.1)), ("", run(0.2)), ("", run(0.9))],
        brubeck=[("a", run(2.0)), ("b", run(0.8, kernel=0.4)), ("b", {"error": "lost"})])
    ratio, = results.ratios(found)
    assert (ratio["server"], ratio["goal"]) == ("brubeck", 5.0)
    assert ratio["ratio"] == pytest.approx(4.0)
    assert (ratio["low"], ratio["high"]) == (pytest.approx(0.8 / 0.9), pytest.approx(8.0))
    assert ratio["ratio_with_kernel"] == pytest.approx(6.0)
    text = results.table(found)
    assert "took 131 to 131 ns" in text
    assert "brubeck b" in text and "brubeck a" not in text
    assert "4.0 (0.9 to 8.0), 6.0; goal 5: 80 %, reached" in text


def test_a_server_with_errors_alone_has_no_row_and_no_ratio():
    found = filled(hekaline=[("", run(0.1))], statsd=[("", {"error": "lost"})])
    assert results.ratios(found) == []
    assert [row["server"] for row in results.rows(found, "packed")] == ["hekaline"]
    assert results.table({"servers": {}}) == "nothing was measured\n"


def test_polled_cores_count_in_full_and_the_rest_by_its_time():
    def look(time, metrics, worker, other):
        return {"time": time, "metrics": metrics, "kernel": 0.0,
                "threads": {7: ("rte-worker-0", worker), 8: ("hekad", other)}}
    found = by_port.figures(look(10.0, 0, 1.0, 5.0), look(12.0, 4_000_000, 1.5, 5.5))
    assert found["rate"] == 2e6
    assert found["cpu_s_per_million"] == pytest.approx(2.5 / 4)  # 2 s polled, and half a second
    assert found["threads"] == {"hekad": 0.25}
    with pytest.raises(RuntimeError):
        by_port.figures({**look(0, 0, 0, 0), "threads": {}}, {**look(1, 1, 0, 0), "threads": {}})


@pytest.mark.parametrize("limit, known", [(5e4, None), (5e4, 4.5e4), (5e4, 8e4), (1e3, 4e4)])
def test_the_search_ends_at_the_highest_rate_without_loss(limit, known):
    def attempt_at(rate):
        return {"rate": rate, "datagrams_per_s": rate, "missing": 0.0 if rate <= limit else 0.1}
    best = by_socket.search(attempt_at, (2e3, 4e5), known)
    if limit < 2e3:
        assert best is None
    else:
        assert limit / 1.1 < best["rate"] <= limit


def test_what_cannot_be_exact_is_not_the_best():
    """More than was sent is as wrong as less."""
    assert by_socket.search(lambda rate: {"rate": rate, "datagrams_per_s": rate, "missing": -0.5},
                            (1e3, 1e4), None) is None


def test_only_the_counters_that_were_sent_are_summed():
    sink = CarbonSink(r"stats\.(?P<name>.+)\.count", ["a.b"], lambda name: name, 0)
    sink._add(["stats.a.b.count 2 0", "stats.other.count 3 0", "a.b 4 0", "stats.a.b.count 5 0",
               ""])
    assert sink.total == 7
    sink.close()


def test_lines_of_a_growing_file_are_counted_once(tmp_path):
    sink = FileSink(tmp_path / "out")
    assert sink.total == 0
    with open(tmp_path / "out", "a", encoding="ascii") as file:
        file.write("one\ntw")
        file.flush()
        assert sink.total == 1
        file.write("o\n")
    assert sink.total == 2


def test_receive_buffers_are_put_back(tmp_path, monkeypatch):
    for name in ReceiveBuffers.FILES:
        (tmp_path / name).write_text("212992\n", encoding="ascii")
    monkeypatch.setattr(ReceiveBuffers, "FOLDER", tmp_path)
    with pytest.raises(KeyError), ReceiveBuffers(4096):
        assert (tmp_path / "rmem_default").read_text(encoding="ascii") == "4096"
        raise KeyError
    assert [(tmp_path / name).read_text(encoding="ascii") for name in ReceiveBuffers.FILES] == [
        "212992\n"] * 2
    with ReceiveBuffers(0):
        assert (tmp_path / "rmem_max").read_text(encoding="ascii") == "212992\n"


def test_every_server_writes_its_configuration(tmp_path):
    for peer in PEERS:
        if peer.by_port:
            words = by_port.write_configuration("program", tmp_path, 2003)
            assert "vhost.sock" in (tmp_path / "core_map.json").read_text(encoding="utf-8")
        else:
            for options in peer.variants.values():
                words = peer.command("program", tmp_path, 8125, 2003, **options)
        assert "program" in map(str, words) and peer.install and set(peer.kinds) <= set(
            results.KINDS)
    for server in LOG_SERVERS:
        for transport in ("tcp", "udp"):
            assert "program" in map(str, server.command("program", tmp_path, 514, transport))


REPORT = """
# Samples: 100
 60        |heka-dataplane          |[.] statsd_parse     |-      -
 20        |librte_vhost.so.23.0    |[.] 0x0000000000035633 |-      -
 10        |heka-dataplane          |[.] add_group        |-      -
 6         |[kernel.kallsyms]       |[k] clear_page_erms  |-      -
 4         |heka-dataplane          |[.] who_knows        |-      -
"""


def test_samples_go_to_the_stage_of_their_source_file():
    counts = stages.read_samples(REPORT, {"statsd_parse": "stats/statsd.c",
                                          "add_group": "stats/shard.c"})
    assert stages.by_stage(counts) == [
        ("statsd: parse", 0.6), (limits.PORT, 0.2), ("statsd: add to the series", 0.1),
        ("kernel and clock", 0.06), ("other", 0.04)]


@pytest.mark.parametrize("place, stage", [
    ("dataplane/text_listener.c", "split into messages"),
    ("codec/splitter.c", "split into messages"),
    ("dataplane/worker.c", "turn of the worker"), ("dataplane/ip.c", "packet checks and listener"),
    ("matcher/message_sink.c", "to the lane"), ("core/lane.c", "to the lane"),
    ("matcher/ruleset_match.c", "match"), ("libhs.so.5", "match"),
    ("stats/shard_senders.c", "statsd: senders and limits"),
    ("core/message.c", "look at messages"), ("libc.so.6", "copies and small helpers")])
def test_stage_of(place, stage):
    assert stages.stage_of(place) == stage


def test_hardware_counters_are_read_where_there_are_any():
    assert stages.read_counters("<not supported>,,cycles:u,0,100.00,,\n") == {}
    assert stages.read_counters("1000,,cycles:u,5,100.00,,\n2500,,instructions:u,5,1,,\n") == {
        "cycles": 1000, "instructions": 2500}


CASE = {"name": "statsd_rate", "case": "packed", "unit": "metrics/s", "median": 17e6, "min": 1,
        "max": 2, "runs": 3, "exact": True, "failed": False, "cycles_per_item": 100.0,
        "figures": {"cycles_per_packet": 3900.0}, "parameters": {}, "machine": {}}


def test_cycles_of_a_stage_are_its_share():
    entry = stages.result(CASE, "metric", {"stats/statsd.c": 75, "librte_vhost.so": 25},
                          {"cycles": 200, "instructions": 500})
    assert [(row["stage"], row["cycles"]) for row in entry["stages"]] == [
        ("statsd: parse", 75.0), (limits.PORT, 25.0)]
    assert entry["items_per_packet"] == 39.0 and entry["hardware"]["instructions"] == 250.0


def test_limits_are_the_goals_that_were_not_reached():
    entry = stages.result(CASE, "metric", {"stats/statsd.c": 75, "librte_vhost.so": 25}, {})
    peers = {"ratios": [dict(kind="single", server="brubeck", ratio=8.0, low=7.0, high=9.0,
                             ratio_with_kernel=15.0, goal=10.0),
                        dict(kind="packed", server="statsd", ratio=40.0, low=1, high=1,
                             ratio_with_kernel=1, goal=20.0)]}
    found = limits.limits({"cases": [CASE, {**CASE, "case": "single", "median": 15e6}],
                           "stages": [entry], "peers": peers})
    assert [row["what"] for row in found] == [
        "statsd_rate packed: 10 GbE of packed statsd",
        "metrics per CPU second against brubeck, single"]
    text = " ".join(found[0]["facts"])
    assert "the goal allows 50 on this machine" in text
    assert "75 of 100 cycles would remain for each metric: 22.7 M/s" in text


def test_a_ratio_that_was_not_reached_shows_both_cases():
    cases = [{**CASE, "case": "one-worker", "median": 30e6}, {**CASE, "case": "two-workers",
                                                               "median": 45e6}]
    found, = limits.limits({"cases": cases})
    assert found["what"] == "two workers against one" and found["found"] == 1.5
    assert found["facts"][0].startswith("two-workers: 45.0 M/s") and found["needed"]


def test_no_perf_is_a_reason_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(stages, "shutil", types.SimpleNamespace(which=lambda name: None))
    found, skipped = stages.measure(tmp_path)
    assert found == [] and "perf is not installed" in skipped[0]
