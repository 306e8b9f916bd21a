# SPDX-License-Identifier: MPL-2.0
"""DashboardOutput: files from reports and outputs of sandboxes, and the web server for them."""
import http.client
import json
import os
import socket

import heka
from heka_encode import frame, message

# [option DashboardOutput.address] [option DashboardOutput.working_directory]
# [option DashboardOutput.static_directory] [option DashboardOutput.headers]
SECTIONS = """
[app]
type = "TcpInput"
address = "127.0.0.1:%d"

[dashboard]
type = "DashboardOutput"
address = "127.0.0.1:%d"
working_directory = "{dir}/served"
static_directory = "{dir}/../static"
ticker_interval = 3600

[dashboard.headers]
X-Frame-Options = ["DENY"]
"""


def get(port, path, method="GET", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def sandbox(logger, name, kind, payload):
    return message({"payload_type": kind, "payload_name": name}, type="heka.sandbox-output",
                   logger=logger, payload=payload)


def start(lab):
    os.makedirs(lab.path("static", "js"))
    for name, text in (("index.html", "<h1>page</h1>"), ("js/page.js", "var a;")):
        with open(lab.path("static", name), "w", encoding="utf-8") as file:
            file.write(text)
    port, web = heka.free_port(socket.SOCK_STREAM), heka.free_port(socket.SOCK_STREAM)
    os.makedirs(lab.path("agent", "served", "data"))
    for name in ("old.html", "data/kept.tsv"):
        with open(lab.path("agent", "served", name), "w", encoding="utf-8") as file:
            file.write("old")
    agent = heka.Agent.__new__(heka.Agent)  # its folder is there already
    agent.name, agent.options = "agent", {}
    heka.Appliance.__init__(agent, lab.path("agent"), heka.Here, SECTIONS % (port, web),
                            the_map={"unused": True})
    return lab.keep(agent), port, web


def feed(agent, port, *messages):
    before = agent.consumer("dashboard")["matched"]
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(b"".join(frame(data) for data in messages))
    agent.wait("the messages to be taken", lambda status: not (row := agent.consumer(
        "dashboard", status))["in_flight"] and not row["held"] and row["matched"] >=
        before + len(messages))


def test_files(lab):
    agent, port, web = start(lab)
    feed(agent, port,
         sandbox("counts", "per second!", "cbuf", "one"), sandbox("counts", "per second!", "cbuf",
                                                                  "two"),
         sandbox("counts", "per 'day' \u00e4\"", "t/x.t", "three"),
         sandbox("../../escape", "x" * 100, "txt", "four"),
         message({"payload_name": "x"}, type="heka.sandbox-output", payload="no type"),
         message({"plugin": "gone"}, type="heka.sandbox-terminated", payload="why\tnot\n",
                 timestamp=1500000000 * 10**9),
         message({"plugin": "slow", "ProcessMessageCount": 7, "ProcessMessageSamples": 2,
                  "ProcessMessageAvgDuration": 10, "MatchAvgDuration": 20, "FilterChanLength": 1,
                  "MatchChanLength": 3, "RouterChanLength": 5}, type="heka.sandbox-terminated",
                 payload="too slow", timestamp=1600000000 * 10**9),
         message(type="heka.all-report", payload='{"globals":[]}\n'))
    _, report = get(web, "/data/heka_report.json")
    assert report == '{"globals":[]}\n'
    escape = f"data/_._.._escape.{'x' * 64}.txt"
    assert json.loads(get(web, "/data/sandboxes.json")[1]) == {"sandboxes": [
        {"Name": "counts", "Outputs": [
            {"Name": "per second!", "Filename": "data/counts.persecond.cbuf"},
            {"Name": "per 'day' \u00e4\"", "Filename": "data/counts.perday.txt"}]},
        {"Name": "../../escape", "Outputs": [{"Name": "x" * 100, "Filename": escape}]}]}
    assert get(web, "/data/counts.persecond.cbuf")[1] == "two"
    assert get(web, "/data/counts.perday.txt")[1] == "three"
    assert get(web, "/" + escape)[1] == "four"
    assert get(web, "/data/heka_sandbox_termination.tsv")[1] == (
        "1500000000\tgone\twhy not \n"
        "1600000000\tslow\ttoo slow ProcessMessageCount:7 ProcessMessageSamples:2 "
        "ProcessMessageAvgDuration:10 MatchAvgDuration:20 FilterChanLength:1 MatchChanLength:3 "
        "RouterChanLength:5\n")
    row = agent.consumer("dashboard", agent.settle())
    assert row["ends"] == {"no_payload_type": 1} and row["delivered"] == row["matched"] - 1, row
    feed(agent, port, message({"plugin": "counts"}, type="heka.sandbox-terminated", payload="x"),
         message(type="heka.all-report", payload="{}"))
    assert [row["Name"] for row in json.loads(get(web, "/data/sandboxes.json")[1])["sandboxes"]] \
        == ["../../escape"]
    agent.stop()


def test_server(lab):
    agent, _, web = start(lab)
    answer, body = get(web, "/")
    assert answer.status == 200 and body == "<h1>page</h1>"
    assert answer.getheader("X-Frame-Options") == "DENY"
    assert answer.getheader("Content-Type") == "text/html; charset=utf-8"
    answer, body = get(web, "/js/page.js", headers={
        "If-Modified-Since": get(web, "/js/page.js")[0].getheader("Last-Modified")})
    assert answer.status == 304 and body == ""
    answer, _ = get(web, "/js")
    assert answer.status == 301 and answer.getheader("Location") == "js/"
    assert '<a href="./page.js">page.js</a>' in get(web, "/js/")[1]
    assert get(web, "/data/kept.tsv")[1] == "old", "data stay"
    assert get(web, "/old.html")[0].status == 404, "files of the last time do not"
    for path in ("/../hekad.toml", "/js/../../hekad.toml", "/%2e%2e/hekad.toml", "/none",
                 "/js/%2e%2e/%2e%2e/hekad.toml"):
        assert get(web, path)[0].status == 404, path
    assert get(web, "/", "POST")[0].status == 405
    assert get(web, "/", "HEAD")[1] == ""
    agent.wait("requests to be counted", lambda status: agent.consumer(
        "dashboard", status)["plugin"]["requests"] >= 13)
    agent.stop()


def test_changed_while_it_listens(lab):
    """A reload with another header: the same address serves on."""
    agent, _, web = start(lab)
    with open(agent.config, encoding="utf-8") as file:
        text = file.read()
    with open(agent.config, "w", encoding="utf-8") as file:
        file.write(text.replace("DENY", "SAMEORIGIN"))
    assert agent.ask("reload")["ok"]

    def is_changed():
        answers = [get(web, "/")[0] for _ in range(10)]
        assert all(answer.status == 200 for answer in answers)
        return all(answer.getheader("X-Frame-Options") == "SAMEORIGIN" for answer in answers)
    heka.wait_for("the former one to be gone", is_changed, 30)
    agent.stop()


def test_reports(lab):
    """hekad reports to the dashboard of itself, as often as ticker_interval says."""
    web = heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", f"""
[DashboardOutput]
address = "127.0.0.1:{web}"
ticker_interval = 1
""")
    def report():
        answer, body = get(web, "/data/heka_report.json")
        return answer.status == 200 and json.loads(body)
    found = heka.wait_for("a report", report, 30)
    assert [row["Name"] for row in found["outputs"]] == ["DashboardOutput"]
    assert json.loads(get(web, "/data/sandboxes.json")[1]) == {"sandboxes": []}
    assert "dasher is not there: only data are served" in agent.process.output()
    agent.stop()
