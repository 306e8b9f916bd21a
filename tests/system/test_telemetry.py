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
    senders = plane.telemetry("/hekaline/senders")
    assert sum(row["samples"] for row in senders.values()) == 500, senders
    assert all(row["address"].startswith("192.0.2.") and row["over_quota"] == 0
               for row in senders.values()), senders
    commands = plane.telemetry("/")
    assert {"/hekaline/counters", "/hekaline/ledger", "/hekaline/workers", "/hekaline/senders",
            "/ethdev/list"} <= set(commands)
    plane.stop()


@heka.needs_namespaces
def test_offenders_are_named(lab):
    """A sender that makes names without end is refused, and the log says whose they are."""
    accumulator = {"name": "StatAccumInput", "ticker_interval": 1, "prefix_names_max": 10}
    wire = lab.wire()
    plane = lab.dataplane(wire.inner, dict(PLAN, accumulators=[accumulator]))
    heka.send(wire.udp(), heka.pack([f"flood.{index}:1|c" for index in range(500)]), plane)
    plane.wait("the samples to be refused",
               lambda counters: counters["samples_prefix_limit"] == 490 and
               counters["samples_flushed"] == 10)
    plane.wait("the log", lambda _: '"flood" ' in plane.process.logs())
    plane.stop()


SECTIONS = """
[StatsdInput]
address = "192.0.2.1:8125"
sender_quota = 300

[StatAccumInput]
ticker_interval = 1
prefix_names_max = 10

[LogOutput]
message_matcher = "FALSE"
encoder = "PayloadEncoder"

[PayloadEncoder]
"""


@heka.needs_namespaces
def test_status_names_who_sends(lab):
    """The same in hekad's status, by way of the segment."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, SECTIONS)
    heka.send(wire.udp(), heka.pack([f"flood.{index}:1|c" for index in range(250)]), appliance)
    status = appliance.wait("who was refused", lambda status: status["senders"] and
                            status["refused_names"])
    assert status["senders"] == [{"process": "dataplane", "input": "", "address": heka.PEER_IP4,
                                  "samples": 250, "over_quota": 0}]
    assert [(row["accumulator"], row["prefix"]) for row in status["refused_names"]] == \
        [("StatAccumInput", "flood")]
    assert appliance.settle()["refused_names"][0]["refused"] == 240
    assert status["flushes"]["flushes"] > 0
    text = appliance.status_by_program()
    assert heka.PEER_IP4 in text and "flood" in text
    appliance.stop()


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
