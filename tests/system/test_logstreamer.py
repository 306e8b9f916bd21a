# SPDX-License-Identifier: MPL-2.0
"""LogstreamerInput: rotated logs to a file, hekad killed on the way, and what each option does.
HEKA_SOAK above 0 is the long run: a million lines and 20 kills."""
import gzip
import hashlib
import json
import os
import signal
import subprocess
import time

import heka

SOAK = int(os.environ.get("HEKA_SOAK", "0")) > 0
LINES = 1000000 if SOAK else 160000
KILLS = 20 if SOAK else 5
FILES = 16
LINE_SIZE = 96

LOGS = """
[logs]
type = "LogstreamerInput"
log_directory = "{dir}/logs"
file_match = 'app\\.log(\\.(?P<Seq>\\d+))?(\\.gz)?'
priority = ["^Seq"]
check_data_interval = "10ms"

[out]
type = "FileOutput"
message_matcher = "Type == 'logfile'"
path = "{dir}/lines.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""


def line(number):
    return f"line {number:09d} ".ljust(LINE_SIZE - 1, ".") + "\n"


def make_logs(folder, count, files):
    for index in range(files):
        name = f"{folder}/app.log" + (f".{files - 1 - index}" if index < files - 1 else "")
        numbers = range(index * count // files, (index + 1) * count // files)
        with open(name, "w", encoding="utf-8") as file:
            file.writelines(map(line, numbers))


def rotate(folder):
    """One step of logrotate; the oldest files are compressed, as with delaycompress."""
    numbers = sorted((int(name.split(".")[2]) for name in os.listdir(folder) if
                      name.count(".") > 1), reverse=True)
    for number in numbers:
        for end in (".gz", ""):
            name = f"{folder}/app.log.{number}{end}"
            if os.path.exists(name):
                os.rename(name, f"{folder}/app.log.{number + 1}{end}")
    os.rename(f"{folder}/app.log", f"{folder}/app.log.1")
    oldest = f"{folder}/app.log.{max(numbers, default=1) + 1}"
    if os.path.exists(oldest):
        with open(oldest, "rb") as plain, gzip.open(f"{oldest}.part", "wb") as packed:
            packed.write(plain.read())
        os.rename(f"{oldest}.part", f"{oldest}.gz")
        os.remove(oldest)


def prepare(lab, sections):
    """An agent that is not started yet, and its folder of logs."""
    agent = heka.Agent(lab.dir, "agent", sections)
    os.makedirs(lab.path("agent", "logs"))
    return agent, lab.path("agent", "logs")


def append(path, *lines):
    with open(path, "a", encoding="utf-8") as file:
        file.writelines(lines)


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def journal(agent, name="logs"):
    with open(f"{agent.folder}/base/logstreamer/{name}", encoding="utf-8") as file:
        return json.load(file)


def assert_at_end(agent, path, name="logs"):
    """The journal's place is the end of that file, and Heka's hash of what is before it."""
    with open(path, "rb") as file:
        data = file.read()
    before = data[-500:].rjust(500, b"\0")
    assert journal(agent, name) == {"seek": len(data), "file_name": path,
                                    "last_hash": hashlib.sha1(before).hexdigest()}


def test_killed_again_and_again(lab):
    """Each line arrives at least once, and the position is exact, with rotations on the way."""
    agent, logs = prepare(lab, LOGS)
    out = lab.path("agent", "lines.txt")
    make_logs(logs, LINES, FILES)
    lab.keep(agent)
    last = LINES
    for index in range(KILLS):
        goal = LINES * LINE_SIZE * (index + 1) // (KILLS + 1)
        while size(out) < goal:
            assert agent.process.is_running()
            time.sleep(0.001)
        agent.process.send_signal(signal.SIGKILL)
        agent.process.wait()
        if index % 2 == 1:
            rotate(logs)
        append(f"{logs}/app.log", *map(line, range(last, last + 100)))
        last += 100
        agent.start()
    heka.wait_for("the position to be saved", lambda: os.path.exists(
        f"{agent.folder}/base/logstreamer/logs") and
        journal(agent)["seek"] == size(f"{logs}/app.log") and
        journal(agent)["file_name"] == f"{logs}/app.log", 90, [agent.process])
    agent.settle()
    agent.stop()
    assert_at_end(agent, f"{logs}/app.log")
    with open(out, encoding="utf-8") as file:  # what a kill has cut is in front of a whole line
        found = [text[-LINE_SIZE:] for text in file]
    wanted = {line(number) for number in range(last)}
    missing = wanted.difference(found)
    assert not missing, f"{len(missing)} are missing, as {min(missing)}"
    again = len(found) - len(wanted)
    print(f"{last} lines, {KILLS} kills: all there, {again} of them again")
    assert again < LINES


def test_rotated_while_it_runs(lab):
    """Writers that go on for a while, renaming, compression, copies that are cut off: each line
    exactly once, since nothing dies."""
    agent, logs = prepare(lab, LOGS)
    lab.keep(agent)
    count = 0

    def add(path, lines):
        nonlocal count
        append(path, *map(line, range(count, count + lines)))
        count += lines

    def arrive():
        agent.wait("all lines", lambda status: agent.stage("text", status)["in"] == count)

    add(f"{logs}/app.log", 1000)
    arrive()
    for index in range(5):
        writer = open(f"{logs}/app.log", "a", encoding="utf-8")
        rotate(logs)
        writer.writelines(map(line, range(count, count + 10)))
        writer.close()
        count += 10
        arrive()
        add(f"{logs}/app.log", 1000 + index)
    arrive()
    with open(f"{logs}/app.log", "rb") as file:
        copy = file.read()
    rotate_to = f"{logs}/app.log.0"
    with open(rotate_to, "wb") as file:
        file.write(copy)
    os.truncate(f"{logs}/app.log", 0)
    add(f"{logs}/app.log", 100)
    arrive()
    status = agent.settle()
    assert agent.input("logs", status)["truncations"] == 1
    assert agent.input("logs", status)["positions_lost"] == 0
    agent.stop()
    assert lab.read("agent", "lines.txt") == "".join(map(line, range(count)))
    assert_at_end(agent, f"{logs}/app.log")


def test_reload_keeps_positions(lab):
    """While lines come a changed input takes over, again and again."""
    agent, logs = prepare(lab, LOGS)
    lab.keep(agent)
    count = 0
    for index in range(10):
        append(f"{logs}/app.log", *map(line, range(count, count + 500)))
        count += 500
        agent.rewrite(LOGS.replace("10ms", f"{index + 11}ms"))
        assert agent.ask("reload")["ok"]
        agent.wait("the reload", lambda status, g=index + 2: status["generation"] == g)
    agent.wait("all lines", lambda _: size(lab.path("agent", "lines.txt")) >= count * LINE_SIZE)
    agent.settle()
    agent.stop()
    assert lab.read("agent", "lines.txt") == "".join(map(line, range(count)))


OPTIONS = """
# Each is another than the default.
[web]
type = "LogstreamerInput"
log_directory = "{dir}/logs"
file_match = '(?P<Site>\\w+)/(?P<Kind>access|error)\\.log(\\.(?P<Age>\\w+))?'
differentiator = ["web-", "Site", "-", "Kind"]
priority = ["^Age"]
journal_directory = "{dir}/places/here"
hostname = "elsewhere"
oldest_duration = "1h"
rescan_interval = "100ms"
check_data_interval = "20ms"
splitter = "whole"
[web.translation.Age]
missing = 0
new = 1
old = 2

[whole]
type = "TokenSplitter"
deliver_incomplete_final = true

[matched]
type = "FileOutput"
message_matcher = "Logger =~ /^web-(one|two)-(access|error)$/ && Hostname == 'elsewhere'"
path = "{dir}/matched.txt"
encoder = "PayloadEncoder"

[all]
type = "FileOutput"
message_matcher = "Type != 'heka.all-report'"
path = "{dir}/all.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""


def test_options(lab):
    """[option LogstreamerInput.log_directory] [option LogstreamerInput.file_match]
    [option LogstreamerInput.differentiator] [option LogstreamerInput.priority]
    [option LogstreamerInput.translation] [option LogstreamerInput.journal_directory]
    [option LogstreamerInput.hostname] [option LogstreamerInput.oldest_duration]
    [option LogstreamerInput.rescan_interval] [option inputs.splitter]
    [option splitters.deliver_incomplete_final]"""
    agent, logs = prepare(lab, OPTIONS)
    os.makedirs(f"{logs}/one")
    os.makedirs(f"{logs}/two")
    append(f"{logs}/one/access.log.old", "1\n")
    append(f"{logs}/one/access.log.new", "2\n")
    append(f"{logs}/one/access.log", "3\n", "4 has no end")
    append(f"{logs}/two/error.log", "5\n")
    append(f"{logs}/one/other.log", "not matched\n")
    append(f"{logs}/two/access.log", "too old\n")
    long_ago = time.time() - 7200
    os.utime(f"{logs}/two/access.log", (long_ago, long_ago))
    lab.keep(agent)
    matched = lab.path("agent", "matched.txt")
    agent.wait("the lines", lambda _: size(matched) == len("1\n2\n3\n4 has no end5\n"))
    assert agent.input("web")["streams"] == 2
    report = next(row for row in agent.status()["inputs"] if row["name"] == "web")["report"]
    assert report["web-one-access-filename"] == f"{logs}/one/access.log"
    assert report["web-two-error-bytes"] == 2
    os.utime(f"{logs}/two/access.log")  # a scan finds it; no event tells of it
    agent.wait("a file that is young again", lambda status:
               agent.input("web", status)["streams"] == 3)
    agent.wait("its line", lambda _: "too old\n" in lab.read("agent", "matched.txt"))
    agent.settle()
    agent.stop()
    found = lab.read("agent", "matched.txt")
    assert found == lab.read("agent", "all.txt")
    assert "5\n" in found and "not matched" not in found
    assert found.replace("5\n", "").replace("too old\n", "") == "1\n2\n3\n4 has no end"
    assert sorted(os.listdir(lab.path("agent", "places", "here"))) == [
        "web-one-access", "web-two-access", "web-two-error"]


DECODED = """
[logs]
type = "LogstreamerInput"
log_directory = "{dir}/logs"
file_match = '(?P<Site>\\w+)\\.log'
differentiator = ["Site"]
decoder = "statuses"
check_data_interval = "20ms"

[statuses]
type = "PayloadRegexDecoder"
match_regex = '^(?P<Method>[A-Z]+) (?P<Path>\\S+) (?P<Status>\\d+)'
[statuses.message_fields]
Type = "access"
Path = "%Path%"
Status = "%Status%"

[traces]
type = "LogstreamerInput"
log_directory = "{dir}/logs"
file_match = 'trace\\.txt'
splitter = "grouped"
check_data_interval = "20ms"

[grouped]
type = "PatternGroupingSplitter"
grouping = '^\\s'

[failed]
type = "FileOutput"
message_matcher = "Type == 'access' && Fields[Status] == '500' && Logger == 'shop'"
path = "{dir}/failed.txt"
encoder = "PayloadEncoder"

[groups]
type = "FileOutput"
message_matcher = "Logger == 'traces'"
path = "{dir}/groups.txt"
encoder = "RstEncoder"

[PayloadEncoder]
append_newlines = false

[RstEncoder]
"""


def test_decoder_and_groups(lab):
    """Each stream has a decoder and a splitter of its own; a group of lines ends at a pause."""
    agent, logs = prepare(lab, DECODED)
    lab.keep(agent)
    for site in ("shop", "blog", "shop"):
        append(f"{logs}/{site}.log", "GET /a 200\n", f"POST /{site} 500\n", "no such line\n")
    append(f"{logs}/trace.txt", "one\n", " more of one\n", "\tand more\n", "two\n",
           " more of two\n")
    agent.wait("all lines", lambda status: agent.stage("text", status)["in"] >= 9 + 4)
    status = agent.settle()
    ends = agent.stage("text", status)["ends"]
    assert ends["text_messages"] == 6 + 4 and ends["decode_no_match"] == 3
    assert agent.consumer("groups", status)["delivered"] == 4
    report = next(row for row in status["inputs"] if row["name"] == "logs")["report"]
    assert report["blog-bytes"] == size(f"{logs}/blog.log")
    agent.stop()
    assert lab.read("agent", "failed.txt") == "POST /shop 500\n" * 2
    groups = lab.read("agent", "groups.txt")
    assert " more of one\n\tand more\n" in groups and " more of two\n" in groups


WITNESS = """
[witness]
type = "LogstreamerInput"
log_directory = "{dir}/witness"
file_match = 'app\\.log'

[seen]
type = "FileOutput"
message_matcher = "Logger == 'witness'"
path = "{dir}/seen.txt"
encoder = "PayloadEncoder"
"""


def test_check_data_interval(lab):
    """[option LogstreamerInput.check_data_interval]: with an hour only an event makes it look."""
    agent, logs = prepare(lab, LOGS.replace("10ms", "1h").replace(
        "Type == 'logfile'", "Logger == 'logs'") + WITNESS)
    os.makedirs(lab.path("agent", "witness"))
    append(lab.path("agent", "witness", "app.log"), "")
    lab.keep(agent)
    append(f"{logs}/app.log", "one\n")
    agent.wait("a line of a new file", lambda _: size(lab.path("agent", "lines.txt")) == 4)
    scans = agent.input("logs")["scans"]
    append(f"{logs}/app.log", "two\n")
    for count in range(1, 4):  # as long as one with the default takes to look three times
        append(lab.path("agent", "witness", "app.log"), "look\n")
        agent.wait("the witness", lambda _, found=5 * count: size(
            lab.path("agent", "seen.txt")) == found)
    assert lab.read("agent", "lines.txt") == "one\n"
    assert agent.input("logs")["scans"] == scans
    append(f"{logs}/unrelated", "")
    agent.wait("the other", lambda _: size(lab.path("agent", "lines.txt")) == 8)


def test_initial_tail(lab):
    """[option LogstreamerInput.initial_tail]"""
    agent, logs = prepare(lab, LOGS.replace("[out]", "initial_tail = true\n\n[out]"))
    append(f"{logs}/app.log.1", "before\n")
    append(f"{logs}/app.log", "before\n")
    lab.keep(agent)
    agent.wait("its first look", lambda status: agent.input("logs", status)["opens"] == 1)
    append(f"{logs}/app.log", "behind\n")
    agent.wait("the line", lambda _: size(lab.path("agent", "lines.txt")) >= 7)
    agent.stop()
    assert lab.read("agent", "lines.txt") == "behind\n"


def test_check(lab):
    os.makedirs(lab.path("logs"))
    for name in ("app.log", "app.log.1"):
        append(lab.path("logs", name), "")
    code, text = lab.check(LOGS)
    assert code == 0, text
    for change, error in [
            (("{dir}/logs", "{dir}/nowhere"), "log_directory: "),
            (("(?P<Seq>", "(?<=Seq"), "file_match: "),
            (('["^Seq"]', "[]"), "Found multiple logfiles without Priority to sort on for name: "),
            (('"10ms"', '"10ms"\njournal_directory = "{dir}/logs/app.log/x"'),
             "journal_directory: "),
            (('"10ms"', '"10ms"\n[logs.translation.Seq]\nmissin = 3'),
             "A translation map with one entry ('Seq') must be specifying a 'missing' key."),
            (('"10ms"', '"ten"'), "check_data_interval: "),
    ]:
        code, text = lab.check(LOGS.replace(*change))
        assert code == 1 and error in text, (change, text)


def show(config):
    program = os.path.join(os.path.dirname(heka.HEKAD), "heka-logstreamer")
    done = subprocess.run([program, "-config", config], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def test_tool(lab):
    """heka-logstreamer: the same streams and order, as text."""
    logs = lab.path("logs")
    os.makedirs(logs)
    for name in ("app.log", "app.log.1", "app.log.2"):
        append(f"{logs}/{name}", "line\n")
    config = lab.path("all.toml")
    append(config, LOGS.replace("{dir}", lab.dir), "\n[tail]\ntype = \"LogstreamerInput\"\n"
           f"log_directory = \"{logs}\"\nfile_match = 'app\\.log'\ninitial_tail = true\n")
    assert show(config) == (0, f"""Found 1 Logstream(s) for section [logs].

Logstream name: [logs]
Stream Choosing Filename: , SeekPosition: 0
Files: 3 (printing oldest to newest)
\t{logs}/app.log.2
\t{logs}/app.log.1
\t{logs}/app.log
Found 1 Logstream(s) for section [tail].

Logstream name: [tail]
Stream Choosing Filename: {logs}/app.log, SeekPosition: 5
Files: 1 (printing oldest to newest)
\t{logs}/app.log
""", "")
    os.makedirs(lab.path("folder"))  # a later file's section is the one that counts
    append(lab.path("folder", "1.toml"), LOGS.replace("{dir}", "/nowhere"))
    append(lab.path("folder", "2.toml"), LOGS.replace("{dir}", lab.dir))
    append(lab.path("folder", "3.toml~"), "[")
    code, out, err = show(lab.path("folder"))
    assert (code, err) == (0, "") and out.startswith("Found 1 Logstream(s) for section [logs].")
    append(lab.path("bad.toml"), LOGS.replace("{dir}", lab.dir).replace('["^Seq"]', "[]"))
    code, out, err = show(lab.path("bad.toml"))
    assert (code, out) == (1, "") and err.startswith(
        "Error scanning: Found multiple logfiles without Priority to sort on for name: logs, ")
    assert show(lab.path("none.toml"))[0] == 1
    append(lab.path("typo.toml"), LOGS.replace("{dir}", lab.dir).replace("priority", "priorty"))
    assert "unknown config setting for 'logs': priorty" in show(lab.path("typo.toml"))[2]
