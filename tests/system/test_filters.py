# SPDX-License-Identifier: MPL-2.0
# [option StatFilter.metric] [option filters.type]
# [option hekad.max_message_loops] [option StatAccumInput.ticker_interval]
"""Filters, and lanes inside hekad: everything is a lane there, too."""
import os
import re
import signal
import socket
import threading

import heka

INPUT = """
[app]
type = "UdpInput"
address = "127.0.0.1:%d"
"""

OUTPUTS = """
[reports]
type = "FileOutput"
message_matcher = "Type == 'heka.counter-output'"
path = "{dir}/reports.txt"
encoder = "PayloadEncoder"
flush_interval = 50

[lines]
type = "FileOutput"
message_matcher = "Type == 'app'"
path = "{dir}/lines.txt"
encoder = "PayloadEncoder"
flush_interval = 50

[PayloadEncoder]
"""

COUNTER = """
[CounterFilter]
message_matcher = "Type == 'app'"
ticker_interval = 1
"""

UNREACHABLE = """
[away]
type = "TcpOutput"
message_matcher = "Type == 'app'"
address = "127.0.0.1:%d"
encoder = "PayloadEncoder"
use_buffering = false

[PayloadEncoder]
"""


def send_lines(port, first, last):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(first, last):
            sender.sendto(f"line {number}".encode(), ("127.0.0.1", port))


def numbers(text):
    return [int(number) for number in re.findall(r"^line (\d+)$", text, re.M)]


def read(lab, *names):
    return lab.read(*names) if os.path.exists(lab.path(*names)) else ""


def filter_row(status, name="CounterFilter"):
    return next(row for row in status["filters"] if row["name"] == name)


def assert_books(agent, what="nothing to be in flight", check=lambda status: True):
    """Waits until everything has ended; then all residuals are 0, those of filters, too."""
    def quiet(status):
        return (check(status) and not status["changing"] and
                not any(stage["in_flight"] for stage in status["stages"]))
    status = agent.wait(what, quiet)
    heka.assert_balanced(status)
    for row in status["filters"]:
        assert row["residual"] == 0 and row["held"] == 0, row
        assert row["matched"] == row["delivered"] + sum(row["ends"].values()), row
    return status


def folders(agent):
    path = os.path.join(agent.run_dir, "producers")
    return os.listdir(path) if os.path.exists(path) else []


class Server(threading.Thread):
    """Takes what a TcpOutput sends, from now on."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.text = b""
        self.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.read, args=[connection], daemon=True).start()

    def read(self, connection):
        while piece := connection.recv(1 << 16):
            self.text += piece

    def numbers(self):
        return numbers(self.text.decode())


def test_counter_filter_in_an_agent(lab):
    port = heka.free_port()
    agent = lab.agent("agent", INPUT % port + COUNTER + OUTPUTS)
    send_lines(port, 0, 300)
    status = assert_books(agent, "a report", lambda status: agent.consumer(
        "reports", status)["delivered"] >= 1)
    assert filter_row(status)["matched"] == 300
    assert numbers(lab.read("agent", "lines.txt")) == list(range(300))
    assert re.search(r"^Got 300 messages\. \d+\.\d\d msg/sec$",
                     lab.read("agent", "reports.txt"), re.M)
    text = heka.run([heka.HEKAD, "status", "-run-dir", agent.run_dir])
    assert re.search(r"^CounterFilter +CounterFilter +300 ", text, re.M), text
    agent.stop()
    assert folders(agent) == [], "an orderly stop leaves nothing"


@heka.needs_namespaces
def test_counter_filter_behind_a_data_plane(lab):
    wire = lab.wire()
    sections = INPUT.replace("127.0.0.1:%d", "192.0.2.1:5514") + COUNTER + OUTPUTS
    appliance = lab.appliance(wire.inner, sections)
    heka.send(wire.udp(port=5514), [f"line {i}".encode() for i in range(200)], appliance,
              "datagrams_text")
    status = assert_books(appliance, "a report", lambda status: appliance.consumer(
        "reports", status)["delivered"] >= 1)
    assert filter_row(status)["matched"] == 200
    assert numbers(lab.read("lines.txt")) == list(range(200))
    totals = [int(total) for total in re.findall(r"^Got (\d+) mess", lab.read("reports.txt"), re.M)]
    assert totals == sorted(totals) and totals[-1] == 200
    appliance.stop()
    assert folders(appliance) == []


def test_stat_filter(lab):
    port = heka.free_port()
    agent = lab.agent("agent", INPUT % port + """
[StatAccumInput]
ticker_interval = 1

[StatFilter]
message_matcher = "Type == 'app'"
[StatFilter.metric.lines]
type = "Counter"
name = "lines.%Logger%.%Nothing%"
value = "2"
[StatFilter.metric.bad]
type = "Gauge"
name = "gauge"
value = "%Payload%"

[stats]
type = "FileOutput"
message_matcher = "Type == 'heka.statmetric'"
path = "{dir}/stats.txt"
encoder = "as_it_is"
flush_interval = 50

[as_it_is]
type = "PayloadEncoder"
append_newlines = false
""")
    send_lines(port, 0, 50)
    def flushed(_):
        return sum(int(value) for value in re.findall(
            r"^stats\.counters\.lines\.app\.<Nothing>\.count (\d+) ",
            read(lab, "agent", "stats.txt"), re.M)) == 100
    status = assert_books(agent, "the counter to be flushed", flushed)
    assert filter_row(status, "StatFilter")["plugin"] == {
        "stats_posted": 50, "stats_bad_value": 50, "stats_too_long": 0}

    def seconds():
        return [int(second) for second in re.findall(
            r"^stats\.statsd\.numStats \d+ (\d+)$", read(lab, "agent", "stats.txt"), re.M)]
    heka.wait_for("two flushes in a row", lambda: any(
        second + 1 in seconds() for second in seconds()))
    agent.stop()


def test_loops_end(lab):
    """Two filters that count each other, and one that would count itself."""
    port = heka.free_port()
    agent = lab.agent("agent", INPUT % port + """
[ping]
type = "CounterFilter"
message_matcher = "Type == 'app' || Logger == 'pong'"
ticker_interval = 1

[pong]
type = "CounterFilter"
message_matcher = "Logger == 'ping'"
ticker_interval = 1

[narcissus]
type = "CounterFilter"
message_matcher = "Type == 'app' || Logger == 'narcissus'"
ticker_interval = 1
""" + OUTPUTS, options={"max_message_loops": 2})
    send_lines(port, 0, 10)
    def ended(_):
        ends = agent.stage("message")["ends"]
        return ends.get("messages_loops", 0) >= 1 and ends.get("messages_own", 0) >= 1
    status = assert_books(agent, "the loops to be cut", ended)
    ends = agent.stage("message", status)["ends"]
    assert ends["messages_loops"] == 1 and ends["messages_own"] == 1, ends
    assert agent.consumer("reports", status)["delivered"] == 2
    agent.stop()


def test_reload_while_filters_inject(lab):
    """Kept, changed, new and removed ones; each line is delivered once, whatever happens."""
    port = heka.free_port()
    extra = """
[extra]
type = "FileOutput"
message_matcher = "Type == 'app'"
path = "{dir}/extra.txt"
encoder = "PayloadEncoder"
flush_interval = 50
"""
    kept = INPUT % port + OUTPUTS
    agent = lab.agent("agent", kept + COUNTER)
    sent, over = [0], threading.Event()

    def load():
        while not over.is_set():
            send_lines(port, sent[0], sent[0] + 20)
            sent[0] += 20
            over.wait(0.005)
    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    for number in range(20):
        changed = COUNTER.replace("interval = 1", f"interval = {1 + number % 3}")
        agent.rewrite(kept + changed + extra * (number % 2))
        reply = agent.ask("reload")
        assert reply["ok"] and reply["generation"] == number + 2, reply
    agent.rewrite(kept + "[CounterFilter]\nticker = 3\n")
    reply = agent.ask("reload")
    assert not reply["ok"] and any("ticker" in text for text in reply["errors"]), reply
    over.set()
    thread.join()
    status = assert_books(agent, "all lines to be delivered", lambda status: agent.consumer(
        "lines", status)["delivered"] == sent[0])
    assert agent.input("app", status)["socket_drops"] == 0
    assert status["generation"] == 21
    assert numbers(lab.read("agent", "lines.txt")) == list(range(sent[0]))
    here = numbers(lab.read("agent", "extra.txt"))
    assert here and len(here) == len(set(here)), "no line was matched by two generations"
    heka.wait_for("the lanes of former filters to be deleted", lambda: len(folders(agent)) == 3, 30)
    agent.stop()
    assert folders(agent) == []


def wait_for_lines(agent, count):
    return agent.wait("the lines to be in the lane", lambda status: agent.consumer(
        "away", status)["in_flight"] + agent.consumer("away", status)["held"] == count)


def test_killed_with_messages_in_a_lane(lab):
    """What is in the lane of an input when hekad is killed, the next one delivers."""
    port, away = heka.free_port(), heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", INPUT % port + UNREACHABLE % away)
    for lives in range(3):
        send_lines(port, 100 * lives, 100 * (lives + 1))
        wait_for_lines(agent, 100 * (lives + 1))
        agent.process.stop(signal.SIGKILL)
        agent.start()
    assert sum(name.startswith("app.") for name in folders(agent)) == 4
    server = Server(away)
    agent.wait("what was left to be delivered", lambda _: len(set(server.numbers())) == 300)
    assert_books(agent)
    assert server.numbers() == list(range(300)), "each once, the oldest first"
    heka.wait_for("the old lanes to be deleted", lambda: len(folders(agent)) == 2, 30)
    agent.stop()
    assert folders(agent) == []


def test_killed_with_a_report_in_a_filters_lane(lab):
    """What a filter injected, and what it had not processed, both survive."""
    port, away = heka.free_port(), heka.free_port(socket.SOCK_STREAM)
    reports = UNREACHABLE.replace("Type == 'app'", "Type == 'heka.counter-output'")
    agent = lab.agent("agent", INPUT % port + COUNTER + reports % away)
    send_lines(port, 0, 60)
    wait_for_lines(agent, 1)
    agent.process.stop(signal.SIGKILL)
    agent.start()
    send_lines(port, 60, 70)
    wait_for_lines(agent, 2)
    server = Server(away)
    heka.wait_for("both reports", lambda: server.text.count(b"\n") == 2, 30)
    assert re.fullmatch(rb"Got 60 messages\. .*\nGot 10 messages\. .*\n", server.text)
    assert_books(agent)
    agent.stop()
    assert folders(agent) == []


def test_stopped_with_messages_in_a_lane(lab):
    """An orderly stop says what is left; a plugin that is gone then loses it, with its number."""
    port, away = heka.free_port(), heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", INPUT % port + UNREACHABLE % away)
    send_lines(port, 0, 70)
    wait_for_lines(agent, 70)
    agent.stop()
    assert "Output 'away': 70 messages are not delivered; they stay in" in \
        agent.process.output("err") + agent.process.output()
    assert len(folders(agent)) == 1
    agent.rewrite(INPUT % port + OUTPUTS)
    agent.start()
    log = agent.process.output("err") + agent.process.output()
    assert "70 messages of an earlier run are lost: 'away' is no longer configured" in log
    heka.wait_for("the old lane to be deleted", lambda: len(folders(agent)) == 2, 30)
    agent.stop()
    assert folders(agent) == []
