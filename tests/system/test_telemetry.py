# SPDX-License-Identifier: MPL-2.0
"""Our commands answer on DPDK's telemetry socket, beside DPDK's own."""
import heka

PLAN = {
    "accumulators": [{"name": "StatAccumInput", "ticker_interval": 1}],
    "listeners": [{"name": "StatsdInput", "kind": "statsd", "address": "192.0.2.1:8125",
                   "accumulator": "StatAccumInput"}],
    "consumers": [],
}


@heka.needs_namespaces
def test_ledger_over_the_telemetry_socket(lab):
    wire = lab.wire()
    plane = lab.dataplane(wire.inner, PLAN)
    heka.send(wire.udp(), heka.pack([f"n.{index}:1|c" for index in range(500)]), plane)
    plane.wait("the samples to be flushed", lambda counters: counters["samples_flushed"] == 500)
    ledger = plane.telemetry("/hekaline/ledger")
    assert set(ledger) >= {"frame", "packet", "line", "sample", "text", "message"}
    assert all(row["residual"] == 0 for row in ledger.values())
    assert ledger["line"]["in"] == ledger["line"]["ended"] == 500
    assert len(plane.telemetry("/hekaline/workers")) >= 1
    commands = plane.telemetry("/")
    assert {"/hekaline/counters", "/hekaline/ledger", "/hekaline/workers",
            "/ethdev/list"} <= set(commands)
    plane.stop()


def test_without_any_right_on_a_null_port(lab):
    """A port that delivers nothing but empty frames, as fast as it is asked: all are counted."""
    the_map = heka.core_map()
    the_map["ports"] = [{"name": "null", "profile": "null", "addresses": ["192.0.2.1/24"]}]
    plane = lab.dataplane(None, PLAN, the_map=the_map)
    plane.wait("frames", lambda counters: counters["frames_rx"] > 1000)
    ledger = plane.telemetry("/hekaline/ledger")
    assert ledger["frame"]["in"] > 1000
    assert all(row["residual"] == 0 for row in ledger.values()), ledger
    plane.stop()
