# SPDX-License-Identifier: MPL-2.0
"""pcap in, JSON out: each NAME.pcap goes through `heka-dataplane --replay`, with NAME.plan.json and
the arguments of NAME.args where there are any; what comes out must be NAME.expect.

make.py writes the traces. HEKA_UPDATE=1 writes NAME.expect anew: read the difference before you
commit it. UUIDs, process ids and this host's name are masked, the lines of statmetric payloads are
sorted (their order is nobody's promise), and counters that are 0 are left out.
"""
import glob
import json
import os
import socket
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BIN_DIR = os.environ.get("HEKA_BIN_DIR", os.path.join(ROOT, "build", "dev", "bin"))
DATAPLANE = os.path.join(BIN_DIR, "heka-dataplane")
CASES = sorted(os.path.basename(path)[:-len(".pcap")]
               for path in glob.glob(os.path.join(HERE, "*.pcap")))
UNSTEADY = {"polls", "polls_empty"}


def command_of(case):
    base = os.path.join(HERE, case)
    command = [DATAPLANE, "--replay", base + ".pcap"]
    if os.path.exists(base + ".plan.json"):
        command += ["--plan", base + ".plan.json"]
    if os.path.exists(base + ".args"):
        with open(base + ".args", encoding="utf-8") as file:
            command += file.read().split("\n")[:-1]
    return command


def replay(case, *more):
    done = subprocess.run([*command_of(case), *more], capture_output=True, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr.decode()}"
    assert done.stderr == b"", done.stderr.decode()
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return lines[:-1], lines[-1]


def normalised_message(line):
    message = dict(line["message"])
    message["Uuid"] = "masked" if len(message["Uuid"]) == 36 else "wrong: " + message["Uuid"]
    if message.get("Pid"):
        message["Pid"] = "masked"
    if message.get("Hostname") == socket.gethostname():
        message["Hostname"] = "masked"
    if "Payload" in message:
        lines = message["Payload"].splitlines(keepends=True)
        message["Payload"] = sorted(lines) if message["Type"] == "heka.statmetric" else lines
    return dict(line, message=message)


def normalised(messages, ledger):
    return {
        "messages": [normalised_message(line) for line in messages],
        "stages": ledger["stages"],
        "counters": {name: value for name, value in ledger["counters"].items()
                     if value != 0 and name not in UNSTEADY},
        "residual": ledger["residual"],
    }


@pytest.mark.parametrize("case", CASES)
def test_replay(case):
    messages, ledger = replay(case)
    found = json.dumps(normalised(messages, ledger), indent=1, ensure_ascii=False) + "\n"
    path = os.path.join(HERE, case + ".expect")
    if os.environ.get("HEKA_UPDATE"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(found)
    with open(path, encoding="utf-8") as file:
        expected = file.read()
    assert found.splitlines() == expected.splitlines()
    assert ledger["residual"] == 0
    assert all(stage["residual"] == 0 for stage in ledger["stages"])


def test_there_are_cases():
    assert len(CASES) >= 10
    sys.path.insert(0, HERE)
    import make
    assert sorted(case.__name__ for case in make.CASES) == CASES


@pytest.mark.parametrize("counter, stage", [
    ("frames_rx", "frame"), ("eth_truncated", "frame"), ("udp_no_listener", "packet"),
    ("statsd_no_pipe", "line"), ("samples_flushed", "sample"), ("text_messages", "text"),
    ("messages_unmatched", "message")])
def test_a_broken_counter_is_seen(counter, stage):
    """One event too many in the books, and exactly the stage that it belongs to is off by one."""
    _, ledger = replay("statsd_good", "--break-counter", counter)
    wrong = {row["stage"]: row["residual"] for row in ledger["stages"] if row["residual"] != 0}
    assert abs(wrong[stage]) == 1
    assert ledger["residual"] == sum(abs(residual) for residual in wrong.values()) > 0


def test_the_same_trace_gives_the_same_answer_twice():
    first, second = (normalised(*replay("listeners_and_rules")) for _ in range(2))
    assert first == second
