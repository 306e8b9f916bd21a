# SPDX-License-Identifier: MPL-2.0
"""Ends: INT and TERM in order, a data plane that dies, and outputs that cannot be reached."""
import os
import signal
import socket

import pytest

import heka
from heka_wire import TcpPeer
from test_ledger import total_counts

pytestmark = heka.needs_namespaces

CONFIG = """
[StatsdInput]
address = "192.0.2.1:8125"

[StatAccumInput]
ticker_interval = %d

[app]
type = "UdpInput"
address = "192.0.2.1:5514"

[stats]
type = "FileOutput"
message_matcher = "Type == 'heka.statmetric'"
path = "{dir}/stats.txt"
encoder = "PayloadEncoder"

[lines]
type = "FileOutput"
message_matcher = "Type == 'app'"
path = "{dir}/lines.txt"
encoder = "lines_encoder"

[PayloadEncoder]
append_newlines = false

[lines_encoder]
type = "PayloadEncoder"
"""

NEVER_S = 3600


def positions(log, texts):
    """Where each text is in the log; they must all be there."""
    for text in texts:
        assert text in log, f"'{text}' is not in:\n{log}"
    return [log.index(text) for text in texts]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_in_order(lab, number):
    """Inputs first, then what they had aggregated is flushed and delivered, then the outputs."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG % NEVER_S)
    names = [f"n{index}" for index in range(3000)]
    heka.send(wire.udp(), heka.pack([f"{name}:2|c" for name in names]), appliance)
    text = [f"line {index}" for index in range(200)]
    heka.send(wire.udp(port=5514), [line.encode() for line in text], appliance, "datagrams_text")
    plane = appliance.status()["dataplane"]["pid"]
    assert appliance.process.stop(number) == 0
    assert not os.path.exists(f"/proc/{plane}")
    log = appliance.process.output()
    order = positions(log, [
        "Starting hekad...", "Output started: stats", "Input started: StatsdInput",
        "Shutdown initiated.", "Stop message sent to input 'StatsdInput'", "Shutdown complete."])
    assert order == sorted(order), log
    assert total_counts(lab.read("stats.txt")) == \
        {f"stats.counters.{name}.count": 2 for name in names}
    assert lab.read("lines.txt") == "".join(line + "\n" for line in text)
    assert not os.path.exists(os.path.join(appliance.run_dir, "hekad.sock"))


def test_a_signal_stops_the_data_plane_alone(lab):
    wire = lab.wire()
    for number in (signal.SIGINT, signal.SIGTERM):
        plane = lab.dataplane(wire.inner, {"listeners": [], "consumers": []})
        assert plane.process.stop(number) == 0


def test_a_killed_data_plane_is_reported_and_started_again(lab):
    """What it had committed is delivered; the new one works; the books say what happened."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG % 1)
    sender = wire.udp(port=5514)
    before = [f"before {index}" for index in range(300)]
    heka.send(sender, [line.encode() for line in before], appliance, "datagrams_text")
    first = appliance.status()["dataplane"]["pid"]
    os.kill(first, signal.SIGKILL)
    status = appliance.wait("another data plane", lambda status: (
        status["dataplane"]["state"] == "running" and status["dataplane"]["pid"] != first))
    assert status["dataplane"]["restarts"] == 1
    after = [f"after {index}" for index in range(300)]
    heka.send(sender, [line.encode() for line in after], appliance, "datagrams_text")
    heka.send(wire.udp(), [b"again:1|c"], appliance)
    status = appliance.wait("all to be delivered", lambda status: (
        not any(row["in_flight"] or row["held"] for row in status["consumers"]) and
        appliance.consumer("lines", status)["delivered"] == len(before) + len(after)))
    assert status["residual"] == 0
    assert "The data plane ended with status 137" in (appliance.process.output("err") +
                                                      appliance.process.output("out"))
    appliance.stop()
    assert lab.read("lines.txt").splitlines() == before + after


def test_an_output_that_nobody_listens_to(lab):
    """Nothing is lost while the server is away; once it is there everything arrives."""
    wire = lab.wire()
    with wire.inner.socket(socket.AF_INET, socket.SOCK_STREAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    sections = CONFIG % NEVER_S + f"""
[tcp]
type = "TcpOutput"
message_matcher = "Type == 'app'"
address = "127.0.0.1:{port}"
"""
    appliance = lab.appliance(wire.inner, sections)
    text = [f"line {index}" for index in range(500)]
    heka.send(wire.udp(port=5514), [line.encode() for line in text], appliance, "datagrams_text")
    status = appliance.wait("the file's share", lambda status: (
        appliance.consumer("lines", status)["delivered"] == len(text)))
    assert appliance.consumer("tcp", status)["delivered"] == 0
    heka.assert_balanced(status)
    peer = lab.keep(TcpPeer(wire.inner, port=port))
    appliance.wait("the delivery", lambda status: (
        appliance.consumer("tcp", status)["delivered"] == len(text)))
    heka.wait_for("the messages", lambda: len(peer.messages()) >= len(text))
    appliance.stop()
    assert [message["Payload"] for message in peer.messages()] == text
