# SPDX-License-Identifier: MPL-2.0
"""Plugins that end by themselves: they start again, or are left out, or hekad ends; and what hekad
tells about itself."""
import json
import os
import signal
import socket

import native

import heka

OUT = """
[told]
type = "FileOutput"
message_matcher = "Type == 'heka.terminated'"
path = "{dir}/told.txt"
encoder = "rst"

[beats]
type = "FileOutput"
message_matcher = "Type == 'beat' || Type == 'passed'"
path = "{dir}/beats.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]

[rst]
type = "RstEncoder"
"""

QUICK = """
[%s.retries]
delay = "1ms"
max_delay = "2ms"
max_jitter = "1ms"
max_retries = %d
"""

LINES = """
[lines]
type = "UdpInput"
net = "unixgram"
address = "{dir}/lines.sock"
"""


def of_filter(status, name):
    return next(row for row in status["filters"] if row["name"] == name)


def log(agent):
    return agent.process.output() + agent.process.output("err")


def wait_log(agent, text):
    heka.wait_for(f"'{text}' in the log", lambda: text in log(agent))


def wait_file(lab, name, text):
    def has():
        path = lab.path("agent", name)
        return os.path.exists(path) and text in lab.read("agent", name)
    heka.wait_for(f"'{text}' in {name}", has)


def start(lab, sections, wait=True, **options):
    options = {"plugin_dir": native.build_fail(lab), **options}
    if wait:
        return lab.agent("agent", sections, options=options)
    agent = heka.Agent(lab.dir, "agent", sections, options)
    agent.process = heka.Process("agent", [heka.HEKAD, "-config", agent.config, "-run-dir",
                                           agent.run_dir], agent.folder,
                                 heka.environment(agent.folder))
    lab.stack.callback(agent.process.close)
    return agent


def send(lab, *lines):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(lab.path("agent", "lines.sock"))
        for line in lines:
            out.send(line.encode())


def test_an_input_starts_again(lab):
    """[option inputs.retries] As often as it says."""
    agent = start(lab, OUT + "[RetryInput]\ntimes = 3\n" + QUICK % ("RetryInput", 5))
    wait_file(lab, "beats.txt", "beat 4")
    assert lab.read("agent", "beats.txt").split("\n")[:4] == [f"beat {i}" for i in (1, 2, 3, 4)]
    text = log(agent)
    for number in (1, 2, 3):
        assert f"Input 'RetryInput' error: failure {number}" in text
        assert f"Input 'RetryInput': Restarting (attempt {number}/5)" in text
    agent.stop()


def test_an_input_fails_for_good(lab):
    """[option retries.max_retries] Without can_exit hekad ends with it, exit status 1."""
    agent = start(lab, OUT + "[RetryInput]\ntimes = 9\n" + QUICK % ("RetryInput", 2), wait=False)
    assert agent.process.wait(30) == 1
    text = log(agent)
    assert "Input 'RetryInput' error: Max retries exceeded" in text
    assert "Plugin 'RetryInput': has stopped, shutting down." in text
    assert text.endswith("Shutdown complete.\n") or "Shutdown complete." in text
    told = lab.read("agent", "told.txt")
    assert ":Payload: RetryInput (type RetryInput) terminated. Error: failure 3" in told
    assert ":Logger: hekad" in told and 'name:"plugin" type:string value:"RetryInput"' in told


def test_an_input_may_exit(lab):
    """[option inputs.can_exit] One without an error, and one that fails; a reload brings them
    back."""
    agent = start(lab, OUT + LINES + "[FailInput]\ntimes = 0\ncan_exit = true\n"
                  "[broken]\ntype = 'RetryInput'\ntimes = 9\ncan_exit = true\n" +
                  QUICK % ("broken", 0))
    for name in ("FailInput", "broken"):
        wait_log(agent, f"Plugin '{name}': has stopped, exiting plugin without shutting down.")
    agent.wait("both to be left out", lambda status: not status["changing"] and {
        row["name"] for row in status["inputs"]} == {"lines"})
    wait_file(lab, "told.txt", "broken (type RetryInput) terminated. Error: failure ")
    assert "FailInput (type FailInput) terminated.\n" in lab.read("agent", "told.txt")
    assert agent.ask("reload")["ok"]
    heka.wait_for("a second end", lambda: log(agent).count(
        "Plugin 'FailInput': has stopped, exiting") == 2)
    agent.stop()


FILTERS = """
[%s]
type = "%sFilter"
message_matcher = "Type == 'lines'"
can_exit = true
"""


def test_filters(lab):
    """[option filters.can_exit] [option filters.retries] One starts again and loses only what it
    failed at; those that do not, or may not, are left out, and nobody waits for them."""
    agent = start(lab, OUT + LINES + FILTERS % ("again", "Retry") + QUICK % ("again", -1) +
                  FILTERS % ("once", "Fail") + FILTERS % ("never", "Retry") + QUICK % ("never", 0))
    send(lab, "a", "fail", "b", "fail", "c")
    for name in ("once", "never"):
        wait_log(agent, f"Plugin '{name}': has stopped, exiting plugin without shutting down.")
    agent.wait("them to be left out", lambda status: not status["changing"] and [
        row["name"] for row in status["filters"]] == ["again"])
    send(lab, *["d"] * 1000)
    agent.wait("the others' messages",
               lambda status: of_filter(status, "again")["delivered"] == 1003)
    wait_file(lab, "told.txt", "once (type FailFilter) terminated. Error: told to")
    row = of_filter(agent.status(), "again")
    assert row["ends"] == {"process_failed": 2} and row["residual"] == 0
    assert log(agent).count("Plugin 'again': now restarting") == 2
    agent.settle()
    agent.stop()
    lines = lab.read("agent", "beats.txt").split()
    assert lines.count("b") == 1 and lines.count("c") == 1 and lines.count("d") == 1000


OUTPUTS = """
[%s]
type = "%sOutput"
message_matcher = "Type == 'lines'"
path = "{dir}/%s.txt"
can_exit = true
"""


def test_outputs(lab):
    """[option outputs.can_exit] [option outputs.retries] [option outputs.type]"""
    agent = start(lab, OUT + LINES + OUTPUTS % ("again", "Retry", "again") +
                  QUICK % ("again", -1) + OUTPUTS % ("once", "Fail", "once") +
                  OUTPUTS % ("never", "Retry", "never") + QUICK % ("never", 0))
    send(lab, "a", "fail", "b", "c")
    for name in ("once", "never"):
        wait_log(agent, f"Plugin '{name}': has stopped, exiting plugin without shutting down.")
    wait_log(agent, "Plugin 'again': now restarting")
    agent.wait("them to be left out", lambda status: not status["changing"] and not {
        row["name"] for row in status["consumers"]} & {"once", "never"})
    send(lab, "d")
    agent.wait("all messages", lambda status: agent.consumer("again", status)["delivered"] == 5)
    agent.stop()
    assert lab.read("agent", "again.txt").split() == ["a", "fail", "b", "c", "d"]
    assert lab.read("agent", "once.txt").split() == ["a", "fail"]
    assert lab.read("agent", "never.txt").split() == ["a", "fail"]


def test_a_filter_ends_hekad(lab):
    agent = start(lab, LINES + "[FailFilter]\nmessage_matcher = \"Type == 'lines'\"\n")
    send(lab, "fail")
    assert agent.process.wait(30) == 1
    assert "Plugin 'FailFilter': has stopped, shutting down." in log(agent)


REPORTS = """
[reports]
type = "FileOutput"
message_matcher = "Type == 'heka.all-report'"
path = "{dir}/reports.json"
encoder = "as_it_is"
ticker_interval = 3600

[memory]
type = "FileOutput"
message_matcher = "Type == 'heka.memstat'"
path = "{dir}/memory.txt"
encoder = "rst"
ticker_interval = 3600

[as_it_is]
type = "PayloadEncoder"
append_newlines = false

[rst]
type = "RstEncoder"

[CounterFilter]
message_matcher = "Type == 'lines'"
"""


def test_reports(lab):
    """[option hekad.report_interval] A report each second, as the text of SIGUSR1, and what SIGUSR2
    says."""
    agent = lab.agent("agent", REPORTS + LINES, options={"report_interval": 1})
    send(lab, *["x"] * 10)
    agent.wait("ten messages", lambda status: of_filter(
        status, "CounterFilter")["delivered"] == 10)
    heka.wait_for("a report of them", lambda: os.path.exists(lab.path("agent", "reports.json")) and
                  '"ProcessMessageCount":{"representation":"count","value":10}' in
                  lab.read("agent", "reports.json"))
    report = json.loads(lab.read("agent", "reports.json").strip().split("\n")[-1])
    assert {"globals", "inputs", "splitters", "decoders", "filters", "outputs",
            "encoders"} == set(report)
    assert [row["Name"] for row in report["globals"]] == ["inputRecycleChan",
                                                          "injectRecycleChan", "Router"]
    assert report["filters"][0]["Name"] == "CounterFilter"
    assert report["inputs"][0]["datagrams"] == {"representation": "count", "value": 10}
    wait_file(lab, "memory.txt", 'name:"HeapAlloc" type:integer')
    os.kill(agent.process.pid, signal.SIGUSR1)
    os.kill(agent.process.pid, signal.SIGUSR2)
    wait_log(agent, "use regular shutdown.")
    text = log(agent)
    assert "========[heka.all-report]========\n\n====Globals====\ninputRecycleChan:\n" in text
    assert "\n====Filters====\nCounterFilter:\n    InChanCapacity: 256\n" in text
    agent.stop()
