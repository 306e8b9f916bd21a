# SPDX-License-Identifier: MPL-2.0
"""examples/getting-started.toml, as it is: everything in it delivers to a stand-in of ours. With
HEKA_UPSTREAM, a checkout of Heka, the configuration of its own page for beginners, too."""
import calendar
import contextlib
import gzip
import http.client
import json
import os
import re
import shlex
import socket
import subprocess
import time

import heka
import pytest
from http_peer import Answer, HttpPeer
from test_irc_smtp import SmtpServer, body

EXAMPLE = os.path.join(heka.ROOT, "examples", "getting-started.toml")
USUAL = os.path.join(heka.ROOT, "examples", "getting-started.env")
LUA = os.path.join(heka.ROOT, "sandbox", "lua")
UPSTREAM = os.environ.get("HEKA_UPSTREAM")
HISTORY_S, ERRORS_S = 180, 15


def access_line(when_s, path, status):
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(when_s))
    return (f'198.51.100.7 - alice [{stamp}] "GET {path} HTTP/1.1" {status} 512 '
            '"http://example.com/" "curl/8.0"\n')


def make_logs(folder, now_s):
    """Three minutes with a request in each second, the older ones in rotated files, and errors in
    the last seconds. Returns (path, status, second) of each. The web server's clock is a minute
    ahead: the graph ends with the log then, however long hekad takes to start."""
    now_s += 60
    requests = [(f"/{second}", 200, now_s - second) for second in range(HISTORY_S, 0, -1)]
    errors = [(f"/{second}/{n}", 503, now_s - second)
              for second in range(ERRORS_S, 0, -1) for n in range(5)]
    lines = [access_line(when, path, status) for path, status, when in requests + errors]
    os.makedirs(folder)
    with gzip.open(os.path.join(folder, "access.log.2.gz"), "wt") as file:
        file.writelines(lines[:60])
    for name, part in (("access.log.1", lines[60:120]), ("access.log", lines[120:]),
                       ("error.log", ["not for this input\n"])):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.writelines(part)
    return requests + errors


def usual():
    """What the file beside it sets, as a shell reads it."""
    with open(USUAL, encoding="utf-8") as file:
        return dict(word.split("=", 1) for word in shlex.split(file.read(), comments=True))


class Site:
    """All that the example delivers to, and what it reads."""

    def __init__(self, lab):
        self.statsd = heka.free_port()
        self.dashboard = heka.free_port(socket.SOCK_STREAM)
        self.carbon = lab.stack.enter_context(contextlib.closing(
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        self.carbon.bind(("127.0.0.1", 0))
        self.carbon.setblocking(False)
        self.carbon_lines = []
        self.influx = lab.keep(HttpPeer(lambda _: Answer(204)))
        self.elastic = lab.keep(HttpPeer(lambda _: Answer(200, b'{"errors":false}')))
        self.smtp = SmtpServer(auth="PLAIN")
        self.share = lab.path("share")
        os.makedirs(self.share)
        for kind in ("decoders", "encoders", "filters", "modules"):  # as they are installed
            os.symlink(os.path.join(LUA, kind), os.path.join(self.share, f"lua_{kind}"))

    def environment(self, lab):
        return {"HEKA_BASE_DIR": lab.path("base"), "HEKA_SHARE_DIR": self.share,
                "HEKA_NGINX_LOGS": lab.path("nginx"), "HEKA_STATSD": f"127.0.0.1:{self.statsd}",
                "HEKA_CARBON": "127.0.0.1:%d" % self.carbon.getsockname()[1],
                "HEKA_INFLUX": f"http://127.0.0.1:{self.influx.port}/write?db=stats&precision=ms",
                "HEKA_ELASTICSEARCH": f"http://127.0.0.1:{self.elastic.port}",
                "HEKA_DASHBOARD": f"127.0.0.1:{self.dashboard}",
                "HEKA_SMTP": f"127.0.0.1:{self.smtp.port}",
                "HEKA_NGINX_FORMAT": usual()["HEKA_NGINX_FORMAT"]}

    def carbon_has(self, pattern):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.carbon_lines += self.carbon.recv(1 << 16).decode().splitlines()
        return any(re.fullmatch(pattern, line) for line in self.carbon_lines)

    def influx_has(self, pattern):
        return any(re.fullmatch(pattern, line) for text in self.influx.bodies()
                   for line in text.decode().splitlines())

    def documents(self):
        """(index line, document) of each in the order in which they came."""
        lines = [json.loads(line) for text in self.elastic.bodies() for line in text.splitlines()]
        return list(zip(lines[::2], lines[1::2]))

    def page(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.dashboard, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return text if answer.status == 200 else ""


@pytest.fixture
def site(lab, monkeypatch):
    made = Site(lab)
    for name, value in made.environment(lab).items():
        monkeypatch.setenv(name, value)
    return made


def rows_of(text):
    """(header, rows of numbers, annotations) of a circular buffer's text."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith('{"time"'))
    header = json.loads(lines[start])
    rows = [[float(word) for word in line.split("\t")] for line in lines[start + 1:] if line]
    return header, rows, json.loads("".join(lines[:start]) or "{}")


def sum_of(text, label):
    """Of a column, without those rows that hold nothing."""
    if not text:
        return 0
    header, rows, _ = rows_of(text)
    column = [one["name"] for one in header["column_info"]].index(label)
    return sum(row[column] for row in rows if row[column] == row[column])


def test_check_takes_it(lab, site):
    os.makedirs(lab.path("nginx"))
    done = subprocess.run([heka.HEKAD, "-check", "-config", EXAMPLE, "-run-dir", lab.path("run")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_environment_is_all_there():
    """The file beside it names what it asks for, and nothing else."""
    with open(EXAMPLE, encoding="utf-8") as file:
        asked = re.findall(r"%ENV\[(\w+)\]", file.read())
    assert asked and sorted(asked) == sorted(usual())


def wait(agent, what, check):
    return heka.wait_for(what, check, 60, [agent.process])


def start(lab, agent):
    lab.keep(agent)


def send_stats(site, lines="logins:3|c\nlogins:4|c\norders:5|c\nload:2.5|g\n"):
    """One datagram: all in one interval."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(lines.encode(), ("127.0.0.1", site.statsd))


def assert_stats(agent, site):
    wait(agent, "Carbon", lambda: site.carbon_has(r"stats\.counters\.logins\.count 7 \d+") and
               site.carbon_has(r"stats\.gauges\.load 2\.5\d* \d+"))
    wait(agent, "InfluxDB", lambda: site.influx_has(
        r"stats\.counters\.logins\.count,Hostname=[^ ]+ value=7\.0+ \d{13}"))
    request = site.influx.seen()[0]
    assert request.path == "/write?db=stats&precision=ms" and request.method == "POST"
    assert request.headers["Authorization"].startswith("Basic ")
    assert not site.influx_has(r"timestamp,.*")
    graph = wait(agent, "the graph", lambda: sum_of(
        text := site.page("/data/stat_graph.Stats.cbuf"), "orders") == 5 and text)
    assert sum_of(graph, "logins") == 7


def assert_documents(agent, site, wanted):
    wait(agent, "Elasticsearch", lambda: len(site.documents()) >= len(wanted))
    documents = site.documents()
    found = [(fields["request"].split()[1], fields["status"],
              calendar.timegm(time.strptime(fields["Timestamp"][:19], "%Y-%m-%dT%H:%M:%S")))
             for _, fields in documents]
    assert found == wanted, "each line once, the oldest first"
    head, fields = documents[0]
    assert head["index"]["_index"] == "heka-" + fields["Timestamp"][:10].replace("-", ".")
    assert head["index"]["_type"] == "nginx.access" == fields["Type"]
    assert fields["remote_addr"] == "198.51.100.7" and fields["body_bytes_sent"] == 512
    assert fields["remote_user"] == "alice" and fields["http_user_agent"] == "curl/8.0"
    assert site.elastic.seen()[0].path == "/_bulk"


def assert_graph_of_statuses(agent, site, wanted):
    expected = [sum(status // 100 == first for _, status, _ in wanted) for first in (2, 4, 5)]

    def counts():
        text = site.page("/data/http_status.HTTPStatus.cbuf")
        return [sum_of(text, f"HTTP_{first}00") for first in (2, 4, 5)]
    wait(agent, "the graph of statuses", lambda: counts() == expected)
    listed = wait(agent, "the list of graphs", lambda: len(json.loads(
        site.page("/data/sandboxes.json") or '{"sandboxes":[]}')["sandboxes"]) >= 2 and
        site.page("/data/sandboxes.json"))
    assert {row["Name"] for row in json.loads(listed)["sandboxes"]} == {"stat_graph", "http_status"}


def assert_mail(site):
    mail = site.smtp.wait(1)[0]
    assert mail["From"] == "heka@example.com" and mail["To"] == "operators@example.com"
    assert site.smtp.logins == [b"\0heka\0a password"]
    text = body(mail)
    assert "Plugin: http_status" in text and f"Hostname: {socket.gethostname()}" in text, text
    assert re.search(r"Alert: HTTP Status - algorithm: mww_nonparametric col: 5 msg: detected "
                     r"anomaly, pstat: 0\.[89]", text), text


def test_it_runs(lab, site):
    wanted = make_logs(lab.path("nginx"), int(time.time()))
    agent = heka.Agent(lab.dir, "agent", "")
    agent.config = EXAMPLE
    start(lab, agent)
    send_stats(site)
    assert_documents(agent, site, wanted)
    assert_stats(agent, site)
    assert_graph_of_statuses(agent, site, wanted)
    assert_mail(site)
    rows_of_http = rows_of(site.page("/data/http_status.HTTPStatus.cbuf"))
    assert rows_of_http[2]["annotations"], "the graph shows where the alert was"
    status = agent.settle()
    assert {row["name"] for row in status["consumers"]} >= {
        "CarbonOutput", "influx", "ElasticSearchOutput", "DashboardOutput", "SmtpOutput"}
    for row in status["consumers"]:
        assert not row["ends"], row
    assert status["residual"] == 0
    agent.stop()
    assert len(site.smtp.mails) == 1, "no more than one in an hour"
    assert sorted(os.listdir(lab.path("base", "sandbox_preservation"))) == [
        "http_status.data", "stat_graph.data"]


def page_of_heka(lab, site):
    """The last example of Heka's page, with our addresses in the place of its."""
    with open(os.path.join(UPSTREAM, "docs/source/getting_started.rst"), encoding="utf-8") as file:
        text = file.read()
    lines = text[text.index("Tying It All Together"):].splitlines()
    text = "\n".join(line[1:] for line in lines if line.startswith("\t") or not line.strip())
    ours = site.environment(lab)
    for theirs, replaced in (
            ("mycarbonserver.example.com:2003", ours["HEKA_CARBON"]),
            ("myinfluxserver.example.com:8086", f"127.0.0.1:{site.influx.port}"),
            ("/var/log/nginx", ours["HEKA_NGINX_LOGS"]),
            ("127.0.0.1:25", ours["HEKA_SMTP"]),
            ("[StatsdInput]", f'[StatsdInput]\naddress = "{ours["HEKA_STATSD"]}"'),
            ("[DashboardOutput]", f'[DashboardOutput]\naddress = "{ours["HEKA_DASHBOARD"]}"'),
            ("[ElasticSearchOutput]",
             f'[ElasticSearchOutput]\nserver = "{ours["HEKA_ELASTICSEARCH"]}"'),
            ("[hekad]", f'[hekad]\nbase_dir = "{ours["HEKA_BASE_DIR"]}"\n'
                        f'share_dir = "{ours["HEKA_SHARE_DIR"]}"')):
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, replaced)
    return text


@pytest.mark.skipif(UPSTREAM is None, reason="HEKA_UPSTREAM: no checkout of Heka")
def test_hekas_own_page(lab, site):
    wanted = make_logs(lab.path("nginx"), int(time.time()))
    agent = heka.Agent(lab.dir, "agent", "")
    with open(agent.config, "w", encoding="utf-8") as file:
        file.write(page_of_heka(lab, site))
    start(lab, agent)
    send_stats(site, "000000:3|c\n000001:4|c\n000002:1|c\n")
    assert_documents(agent, site, wanted)
    assert_graph_of_statuses(agent, site, wanted)
    wait(agent, "Carbon", lambda: site.carbon_has(r"stats\.counters\.000001\.count 4 \d+"))
    wait(agent, "InfluxDB", lambda: {"name": "stats.counters.000001.count", "value": 4} in [
        {"name": one["name"], "value": one["points"][0][1]}
        for text in site.influx.bodies() for one in json.loads(text)])
    wait(agent, "the graph", lambda: sum_of(site.page("/data/stat_graph.Stats.cbuf"),
                                            "counter_1") == 4)
    assert "Plugin: http_status" in body(site.smtp.wait(1)[0])
    agent.settle()
    agent.stop()
