# SPDX-License-Identifier: MPL-2.0
"""Access log lines over UDP through PayloadRegexDecoder to files: every field, every end."""
import json
import os
import signal
import socket

import heka
from heka_wire import frames

pytestmark = heka.needs_namespaces

CONFIG = r"""
[web]
type = "UdpInput"
address = "192.0.2.1:5514"
splitter = "TokenSplitter"
decoder = "logs"

[marked]
type = "UdpInput"
address = "192.0.2.1:5515"
decoder = "access"
send_decode_failures = true

[local]
type = "UdpInput"
address = "127.0.0.1:6514"
splitter = "TokenSplitter"
decoder = "logs"
send_decode_failures = true

[logs]
type = "MultiDecoder"
subs = ["access", "level"]

[access]
type = "PayloadRegexDecoder"
match_regex = '%s'
timestamp_layout = "02/Jan/2006:15:04:05 -0700"

[access.message_fields]
Type = "access"
Client = "%Client%"
Path|uri = "%Path%"
Status = "%Status%"

[level]
type = "PayloadRegexDecoder"
match_regex = '^level=(?P<Severity>\w+) '

[level.severity_map]
error = 3
info = 6

[level.message_fields]
Type = "level"

[framed]
type = "FileOutput"
message_matcher = "Type == 'access' && Fields[Status] =~ /^[45]/"
path = "{dir}/errors.bin"
encoder = "ProtobufEncoder"

[levels]
type = "FileOutput"
message_matcher = "Type == 'level' && Severity < 7"
path = "{dir}/levels.bin"
encoder = "ProtobufEncoder"

[failures]
type = "FileOutput"
message_matcher = "Fields[decode_failure] == TRUE"
path = "{dir}/failures.bin"
encoder = "ProtobufEncoder"
"""

ACCESS = (r'^(?P<Client>\S+) \S+ (?P<User>\S+) \[(?P<Timestamp>[^\]]+)\] '
          r'"(?P<Verb>[A-Z]+) (?P<Path>\S+)[^"]*" (?P<Status>\d{3}) (?P<Bytes>\d+|-)')
CONFIG = CONFIG.replace("%s", ACCESS)
STATUSES = [200, 404, 503]
LINES = [f'10.0.0.{index % 250} - bob [10/Oct/2000:13:55:{index % 60:02} -0700] '
         f'"GET /page/{index} HTTP/1.1" {STATUSES[index % 3]} {index}\n' for index in range(300)]
LEVELS = ["level=error disk\n", "level=info fine\n", "level=what is this\n"]
NOISE = ["nothing that anybody knows\n"] * 7


def fields(message):
    return {name: values[0] for name, values in message["Fields"]}


def read_messages(lab, name):
    with open(lab.path(name), "rb") as file:
        messages, rest = frames(file.read())
    assert rest == b""
    return messages


def check_errors(messages):
    wanted = [(index, line) for index, line in enumerate(LINES) if index % 3 > 0]
    assert len(messages) == len(wanted)
    for message, (index, line) in zip(messages, wanted):
        assert message["Payload"] == line and message["Logger"] == "web"
        assert message["Timestamp"] == (971211300 + index % 60) * 10**9
        assert fields(message) == {"Client": f"10.0.0.{index % 250}", "Path": f"/page/{index}",
                                   "Status": str(STATUSES[index % 3])}


def test_access_log(lab):
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    lines = LINES + LEVELS + NOISE
    datagrams = ["".join(lines[first:first + 10]).encode() for first in range(0, len(lines), 10)]
    heka.send(wire.udp(port=5514), datagrams, appliance, "datagrams_text")
    heka.send(wire.udp(port=5515), [LINES[1].encode(), b"not one"], appliance, "datagrams_text")
    status = appliance.settle()
    text = next(stage for stage in status["stages"] if stage["stage"] == "text")
    assert text["residual"] == 0
    assert text["ends"] == {"text_messages": len(LINES) + len(LEVELS) + 1,
                            "decode_all_failed": len(NOISE), "decode_failures_sent": 1}
    assert status["dataplane"]["counters"]["decode_severity_unknown"] == 1
    appliance.stop()
    errors = read_messages(lab, "errors.bin")
    assert errors[-1]["Logger"] == "marked"
    check_errors(errors[:-1])
    assert [message["Severity"] for message in read_messages(lab, "levels.bin")] == [3, 6]
    failures = read_messages(lab, "failures.bin")
    assert [fields(message) for message in failures] == [
        {"decode_failure": True, "decode_error": "No match: not one"}], json.dumps(failures)


def test_the_same_in_hekad(lab):
    """An address that is no port's: hekad runs the same decoders."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    with wire.inner.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for line in LINES[:30] + LEVELS + NOISE:
            sender.sendto(line.encode(), ("127.0.0.1", 6514))
    sent = 30 + len(LEVELS) + len(NOISE)
    status = appliance.wait("all lines to be decoded", lambda status: sum(
        stage["in"] for stage in status["stages"] if stage["stage"] == "text") == sent)
    status = appliance.settle()
    ends = [stage["ends"] for stage in status["stages"]
            if stage["stage"] == "text" and stage["process"] == "hekad"]
    assert ends == [{"text_messages": 30 + len(LEVELS), "decode_failures_sent": len(NOISE)}]
    appliance.stop()
    assert len(read_messages(lab, "errors.bin")) == 20
    assert len(read_messages(lab, "levels.bin")) == 2
    failures = read_messages(lab, "failures.bin")
    assert [fields(message)["decode_error"] for message in failures] == [
        "All subdecoders failed."] * len(NOISE)
    assert "All subdecoders failed." in appliance.process.logs()  # log_decode_failures


def test_rules_come_compiled(lab):
    """The data plane loads what hekad compiled, and what somebody did to the file is put right."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    with open(os.path.join(appliance.run_dir, "plan.json"), encoding="utf-8") as file:
        database = os.path.join(appliance.run_dir, json.load(file)["rules"]["file"])
    assert "the rules were compiled here" not in appliance.process.logs()
    with open(database, "r+b") as file:
        file.truncate(100)
    pid = appliance.status()["dataplane"]["pid"]
    os.kill(pid, signal.SIGKILL)
    appliance.wait("another data plane", lambda status: status["dataplane"]["state"] == "running"
                   and status["dataplane"]["pid"] != pid)
    assert os.path.getsize(database) > 100
    heka.send(wire.udp(port=5514), [LEVELS[0].encode()], appliance, "datagrams_text")
    status = appliance.settle()
    assert status["residual"] == 0
    appliance.stop()


def test_rules_and_what_they_cost(lab):
    """Hits are the consumers'; costs are there and are not 0: how large is nobody's promise."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    lines = LINES * 16  # over 64 bursts of messages, whatever their sizes
    datagrams = ["".join(lines[first:first + 10]).encode() for first in range(0, len(lines), 10)]
    heka.send(wire.udp(port=5514), datagrams, appliance, "datagrams_text")
    appliance.settle()
    status = json.loads(appliance.status_by_program("-rules", "-json"))
    matcher = status["matcher"]
    hits = {row["name"]: row["matched"] for row in status["consumers"]}
    assert {rule["name"]: rule["hits"] for rule in matcher["rules"]} == hits
    assert hits == {"framed": len(lines) * 2 // 3, "levels": 0, "failures": 0}
    assert matcher["dataplane"]["sampled_messages"] > 0
    assert matcher["dataplane"]["cycles_per_message"] > 0
    assert matcher["database"]["origin"] in ("compiled", "cached")
    assert matcher["samples"] == 256 and matcher["cycles_together"] > 0
    by_name = {rule["name"]: rule for rule in matcher["rules"]}
    assert by_name["framed"]["samples_accepted"] == 256
    assert by_name["failures"]["samples_accepted"] == 0
    assert all(rule["cycles_alone"] > 0 for rule in matcher["rules"])
    text = appliance.status_by_program("-rules")
    assert "each rule alone on 256 messages" in text and "data plane" in text
    assert "each rule alone" not in appliance.status_by_program()
    appliance.stop()


def test_reload_changes_decoders(lab):
    """Before: Type access; behind the reload: visit. No line is decoded by half."""
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG)
    line = LINES[1].encode()
    heka.send(wire.udp(port=5514), [line] * 5, appliance, "datagrams_text")
    appliance.settle()
    with open(appliance.config, encoding="utf-8") as file:
        text = file.read()
    with open(appliance.config, "w", encoding="utf-8") as file:
        file.write(text.replace('Type = "access"', 'Type = "visit"'))
    assert appliance.ask("reload") == {"ok": True, "generation": 2, "errors": []}
    heka.send(wire.udp(port=5514), [line] * 3, appliance, "datagrams_text")
    assert appliance.settle()["dataplane"]["counters"]["messages_unmatched"] == 3
    with open(appliance.config, "w", encoding="utf-8") as file:
        file.write(text.replace("(?P<Client>", "(?P<Client"))
    reply = appliance.ask("reload")
    assert not reply["ok"] and "PayloadRegexDecoder: match_regex: position " in reply["errors"][0]
    heka.send(wire.udp(port=5514), [line], appliance, "datagrams_text")
    status = appliance.settle()
    assert status["dataplane"]["counters"]["messages_unmatched"] == 4
    assert appliance.consumer("framed", status)["matched"] == 5
    appliance.stop()
