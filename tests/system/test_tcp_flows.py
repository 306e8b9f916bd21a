# SPDX-License-Identifier: MPL-2.0
"""The kernel as TCP client of the whole appliance over veth, IPv4 and IPv6 together: many
connections, a bad network (heka-dataplane --impair), slow and refusing consumers. Every byte that
leaves a TcpOutput is compared (tests/support/tcp_flow.c). HEKA_SOAK=N sends N times as much: with
100 it is 6.7 GB over all runs; HEKA_FLOWS=FILE takes a JSON object for each of them."""
import json
import os
import signal

import pytest

import heka
from test_tcp_input import mbufs_in_use

pytestmark = heka.needs_namespaces

SOAK = int(os.environ.get("HEKA_SOAK", "1"))
REPORT = os.environ.get("HEKA_FLOWS")
TCP_FLOW = os.path.join(os.path.dirname(heka.HEKAD), "tcp_flow")
PORT, OUT = 5565, 5600
LINE = 1000
SETTLE_S = 120 + 5 * SOAK

SECTIONS = f"""
[lines]
type = "TcpInput"
address = ":{PORT}"
splitter = "TokenSplitter"
decoder = ""

[out]
type = "TcpOutput"
message_matcher = "Type == 'lines'"
address = "127.0.0.1:{OUT}"
encoder = "as_it_is"
use_buffering = false

[as_it_is]
type = "PayloadEncoder"
append_newlines = false
"""

# name, connections, megabytes, faults of a thousand frames, options of the consumer
CASES = [
    ("one", 1, 8, "", ()),
    ("one_ipv6", 1, 4, "", ()),
    ("hundred", 100, 9, "", ()),
    ("thousand", 1000, 8, "", ()),
    ("ten_thousand", 10000, 10, "", ()),
    ("loss_1", 50, 2, "loss=10", ()),
    ("loss_5", 50, 1, "loss=50", ()),
    ("ack_loss", 50, 2, "ack_loss=50", ()),
    ("reorder", 50, 2, "reorder=50", ()),
    ("duplicate", 50, 2, "duplicate=50", ()),
    ("all_at_once", 50, 1, "loss=10,ack_loss=20,reorder=30,duplicate=20", ()),
    ("slow", 10, 14, "", ("--pause-us", "2000")),
    ("refusing", 20, 4, "loss=10", ("--wait",)),
]

# What shows that the fault was there.
SEEN = {"loss": "tcp_out_of_order", "reorder": "tcp_out_of_order", "duplicate": "tcp_duplicate"}


def flow(lab, wire, name, *options):
    """tcp_flow, in the namespace of the appliance or outside."""
    there = wire.outer if name == "send" else wire.inner
    return lab.process(f"flow-{name}",
                       there.command(TCP_FLOW, name, "--size", LINE, *options))


def result_of(process, appliance):
    code = process.wait(SETTLE_S)
    counters = {name: value for name, value in appliance.counters().items() if value}
    assert code == 0, f"{process.logs()}\n{json.dumps(counters)}"
    return json.loads(process.output().splitlines()[-1])


def check_books(lab, appliance, connections, total):
    """All closed in order, nothing held; the mbufs are back."""
    status = appliance.wait("the connections to end", lambda status: (
        status["dataplane"]["counters"]["tcp_closed_fin"] == connections))
    status = appliance.settle()
    counters = status["dataplane"]["counters"]
    assert counters["tcp_bytes_delivered"] == total * LINE
    assert counters["text_messages"] == counters["messages_committed"] == total
    assert counters["messages_lane_full"] == counters["tcp_bytes_held"] == 0
    assert counters["tcp_closed_aborted"] == counters["tcp_closed_reset"] == 0
    assert appliance.consumer("out", status)["delivered"] == total
    heka.wait_for("the port to give its mbufs back", lambda: mbufs_in_use(lab) == 0)
    return counters


def report(name, sent, counters):
    if REPORT is not None:
        row = {"name": name, "mbytes": sent["sent"] / 1e6, "seconds": sent["seconds"],
               "mbytes_per_s": round(sent["sent"] / 1e6 / sent["seconds"], 1)}
        row.update({key: value for key, value in counters.items() if value and key in (
            "tcp_out_of_order", "tcp_duplicate", "tcp_sent_again", "tcp_no_memory",
            "tcp_sent_window")})
        with open(REPORT, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


@pytest.mark.parametrize("name,connections,megabytes,faults,consumer", CASES,
                         ids=[case[0] for case in CASES])
def test_every_byte_arrives(lab, name, connections, megabytes, faults, consumer):
    lines = max(1, megabytes * 1000000 * SOAK // LINE // connections)
    total = lines * connections
    what = ("--connections", connections, "--lines", lines)
    wire = lab.wire()
    check = flow(lab, wire, "check", "--port", OUT, *what, *consumer)
    heka.wait_for("the consumer", lambda: "ing\n" in check.output(), processes=[check])
    appliance = lab.appliance(
        wire.inner, SECTIONS, the_map=heka.core_map(tcp_connections=16384, lane_mbytes=1),
        dataplane_options=("--impair", faults) if faults else ())
    to = ["--ipv6", heka.PORT_IP6]
    if name != "one_ipv6":  # connections take turns
        to += ["--ipv4", heka.PORT_IP4]
    send = flow(lab, wire, "send", "--port", PORT, *to, *what)
    if "--wait" in consumer:
        appliance.wait("the windows to close", lambda status: (
            status["dataplane"]["counters"]["tcp_bytes_held"] > 0))
        heka.assert_balanced(appliance.status())
        check.send_signal(signal.SIGUSR1)
    sent = result_of(send, appliance)
    assert sent["good"], sent
    found = result_of(check, appliance)
    assert found["good"] and found["lines"] == total and found["again"] == 0, found
    counters = check_books(lab, appliance, connections, total)
    for fault, counter in SEEN.items():
        if f"{fault}=" in faults.replace("ack_loss", ""):
            assert counters[counter] > 0, (fault, counters)
    assert "--pause-us" not in consumer or counters["tcp_sent_window"] > 0, "no window closed"
    report(name, sent, counters)
    appliance.stop()
