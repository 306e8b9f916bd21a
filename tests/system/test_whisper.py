# SPDX-License-Identifier: MPL-2.0
"""WhisperOutput against python3-whisper: the same bytes after the same updates, and files that
carbon has made."""
import os
import random
import socket
import stat
import struct
import time

import heka
import whisper

METHODS = {1: "average", 2: "sum", 3: "last", 4: "max", 5: "min"}
ARCHIVES = [(1, 60), (5, 40), (20, 30)]

INPUT = """
[app]
type = "UdpInput"
address = "127.0.0.1:%d"
"""

# [option WhisperOutput.base_path] [option WhisperOutput.default_agg_method]
# [option WhisperOutput.default_archive_info]
OUTPUT = """
[whisper%d]
type = "WhisperOutput"
message_matcher = "Type == 'app'"
base_path = "{dir}/method%d"
default_agg_method = %d
default_archive_info = [[0, 1, 60], [0, 5, 40], [0, 20, 30]]
"""


def send(port, lines):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto("\n".join(lines).encode(), ("127.0.0.1", port))


def settled(agent, name, counters):
    """Waits for the sums of the output's own counters."""
    def check(status):
        row = agent.consumer(name, status)["plugin"]
        return sum(row[key] for key in counters) >= sum(counters.values()) and row
    row = agent.consumer(name, agent.wait(f"{counters} of {name}", check))["plugin"]
    assert {key: row[key] for key in counters} == counters, row


def expected(path, method, archives, updates, now):
    # whisper refuses the archives that Heka has by default, which do not reach further back each.
    accepted, whisper.validateArchiveList = whisper.validateArchiveList, lambda _: None
    whisper.create(path, archives, xFilesFactor=0.1, aggregationMethod=method)
    whisper.validateArchiveList = accepted
    for when, value in updates:
        whisper.update(path, value, when, now=now)
    with open(path, "rb") as file:
        return file.read()


def made(path):
    with open(path, "rb") as file:
        return file.read()


def test_bytes_of_all_methods(lab):
    port = heka.free_port()
    outputs = "".join(OUTPUT % (number, number, number) for number in METHODS)
    agent = lab.agent("agent", INPUT % port + outputs)
    now, chance, updates = int(time.time()), random.Random(1), []
    for turn in range(40):
        points = [(now - chance.randrange(0, 40), round(chance.uniform(-1e3, 1e3), 6))
                  for _ in range(20)]
        if turn > 30:  # past the end of the finest archive, and round its ring
            # No age near 60 or 200 s: which archive it falls into may not depend on our speed.
            ages = [*range(70, 180), *range(220, 500)]
            points = [(now - chance.choice(ages), value) for _, value in points]
        updates += points
        send(port, [f"stats.a_b.c {value:f} {when}" for when, value in points])
    for number, method in METHODS.items():
        settled(agent, f"whisper{number}", {"points": len(updates), "not_covered": 0,
                                            "bad_lines": 0, "created": 1})
        ours = made(lab.path("agent", f"method{number}", "stats", "a_b", "c.wsp"))
        theirs = expected(lab.path(f"{method}.wsp"), method, ARCHIVES, updates, now)
        assert ours == theirs
    agent.stop()


def test_defaults_and_what_is_skipped(lab):
    """[option WhisperOutput.folder_perm]"""
    port = heka.free_port()
    agent = lab.agent("agent", INPUT % port + """
[whisper]
type = "WhisperOutput"
message_matcher = "Type == 'app'"
folder_perm = "750"
""")
    now = int(time.time())
    folder = lab.path("agent", "base", "whisper")
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o750
    os.makedirs(os.path.join(folder, "folder.wsp"))
    with open(os.path.join(folder, "text.wsp"), "w", encoding="utf-8") as file:
        file.write("no series")
    send(port, [f"one.two 1.5 {now - 5}", f"...one..two. 2.5 {now - 65}", "one.two 3", "",
                f"one.two nothing {now}", f"... 1 {now}", f"folder 1 {now}", f"text 1 {now}",
                f"one.two 4 {now + 100}", f"one.two 5 {now - 43200 * 1456 - 10}",
                f"{'n' * 300} 1 {now}", f"../../x 7 {now}"])
    settled(agent, "whisper", {"points": 3, "bad_lines": 3, "bad_files": 3, "not_covered": 2,
                               "created": 2})
    theirs = expected(lab.path("two.wsp"), "average",
                      [(60, 1440), (900, 8), (3600, 168), (43200, 1456)],
                      [(now - 5, 1.5), (now - 65, 2.5)], now)
    assert made(os.path.join(folder, "one", "two.wsp")) == theirs
    assert os.path.exists(os.path.join(folder, "x.wsp")), "nothing leaves base_path"
    assert stat.S_IMODE(os.stat(os.path.join(folder, "one")).st_mode) == 0o750
    assert "folder.wsp: Is a directory" in agent.process.output("err")
    status = agent.settle()
    assert agent.consumer("whisper", status)["delivered"] == 1
    agent.stop()


def test_files_of_others_and_of_many(lab):
    """A file that is there keeps its header; more series than files may be open."""
    port = heka.free_port()
    agent = lab.agent("agent", INPUT % port + """
[whisper]
type = "WhisperOutput"
message_matcher = "Type == 'app'"
base_path = "series"
""")
    now = int(time.time())
    folder = lab.path("agent", "base", "series")
    theirs = os.path.join(folder, "theirs.wsp")
    whisper.create(theirs, [(1, 600), (10, 100)], xFilesFactor=0.5, aggregationMethod="absmax")
    for age in range(30):
        send(port, [f"theirs {age * (-1) ** age} {now - age}"])
    for first in range(0, 700, 100):
        send(port, [f"many.{number} {number} {now - 1}" for number in range(first, first + 100)])
    settled(agent, "whisper", {"points": 730, "created": 700, "bad_lines": 0})
    copy = lab.path("copy.wsp")
    whisper.create(copy, [(1, 600), (10, 100)], xFilesFactor=0.5, aggregationMethod="absmax")
    for age in range(30):
        whisper.update(copy, age * (-1) ** age, now - age, now=now)
    assert made(theirs) == made(copy)
    for number in range(700):
        head = struct.unpack("!2LfL", made(os.path.join(folder, "many", f"{number}.wsp"))[:16])
        assert head == (1, 43200 * 1456, struct.unpack("!f", struct.pack("!f", 0.1))[0], 4)
    agent.stop()


def test_refused(lab):
    for options, text in [
            ("default_archive_info = [[0, 60]]", "must have 3 values"),
            ("default_archive_info = [[0, 60, 10], [0, 90, 10]]", "multiple of the finer"),
            ("default_agg_method = 6", "1 to 5"), ('folder_perm = "9"', "octal")]:
        config = lab.path("bad.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write('[WhisperOutput]\nmessage_matcher = "TRUE"\n' + options + "\n")
        done = lab.process("check", [heka.HEKAD, "-config", config, "-check"])
        assert done.wait() == 1
        assert text in done.output("err") + done.output(), done.logs()
