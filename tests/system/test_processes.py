# SPDX-License-Identifier: MPL-2.0
"""FilePollingInput, ProcessInput and ProcessDirectoryInput: what files hold and commands write, as
messages; commands that fail, hang, leave children, and change."""
import os
import subprocess

import heka

TAIL = """
[all]
type = "FileOutput"
message_matcher = "Type == 'ProcessInput' || Type == 'heka.file.polling'"
path = "{dir}/all.json"
encoder = "ESJsonEncoder"

[ESJsonEncoder]
es_index_from_timestamp = true
fields = ["Logger", "Type", "Payload", "Pid", "Hostname", "DynamicFields"]
"""


def messages(lab, **wanted):
    """Those that have all of these members."""
    import json
    path = lab.path("agent", "all.json")
    if not os.path.exists(path):
        return []
    found = [json.loads(line) for line in lab.read("agent", "all.json").splitlines()
             if not line.startswith('{"index"')]
    return [one for one in found if all(one.get(name) == value for name, value in wanted.items())]


def await_messages(lab, agent, count=1, **wanted):
    heka.wait_for(f"{count} messages with {wanted}",
                  lambda: len(messages(lab, **wanted)) >= count, 30, [agent.process])
    return messages(lab, **wanted)


FILE = """
[file]
type = "FilePollingInput"
file_path = "{dir}/watched"
ticker_interval = 1
"""


def test_file_polling(lab):
    """[option FilePollingInput.file_path] [option FilePollingInput.ticker_interval]"""
    agent = lab.agent("agent", FILE + TAIL)
    agent.wait("a read that fails", lambda status:
               agent.input("file", status)["read_errors"] >= 1)
    path = lab.path("agent", "watched")
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write("whole\ntext\n")
    os.rename(f"{path}.new", path)
    found = await_messages(lab, agent, 2)
    assert found[0]["Payload"] == "whole\ntext\n"
    assert found[0]["Type"] == "heka.file.polling"
    assert found[0]["Logger"] == "file"
    assert found[0]["Hostname"] == "agent"
    assert found[0]["TickerInterval"] == 1
    assert found[0]["FilePath"] == path
    assert "Error opening file" in agent.process.output("err")


PROCESSES = """
# A chain; its error output is not wanted.
[chain]
type = "ProcessInput"
ticker_interval = 1
immediate_start = true
[chain.command.0]
bin = "printf"
args = ['%s\\n', "b b", "a", "c"]
[chain.command.1]
bin = "/usr/bin/sort"
[chain.command.2]
bin = "/bin/sh"
args = ["-c", "cat; echo lost >&2"]

# Its own environment and folder, both outputs, lines; a status that is not 0. Once.
[both]
type = "ProcessInput"
ticker_interval = 0
stderr = true
splitter = "TokenSplitter"
can_exit = true
[both.command.0]
bin = "/bin/sh"
args = ["-c", "pwd; echo $COLOR $HOME; echo wrong >&2; exit 3"]
env = ["COLOR=green"]
directory = "/usr"

# Only the error output; with the status of the same run.
[errors]
type = "ProcessInput"
ticker_interval = 1
stdout = false
stderr = true
process_name = "called"
[errors.command.0]
bin = "/bin/sh"
args = ["-c", "echo out; echo err >&2; exit 5"]

[at_once]
type = "ProcessInput"
ticker_interval = 3600
immediate_start = true
[at_once.command.0]
bin = "/bin/echo"
args = ["at once"]

# Is killed, with what it has started.
[slow]
type = "ProcessInput"
ticker_interval = 1
immediate_start = true
timeout = 1
[slow.command.0]
bin = "/bin/sh"
args = ["-c", "echo $$ begun; sleep 1000 & sleep 1000; echo never"]
"""


def group_of(payload):
    return int(payload.split()[0])


def is_group_there(group):
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False


def test_processes(lab):
    """[option ProcessInput.command] [option ProcessInput.ticker_interval]
    [option ProcessInput.immediate_start] [option ProcessInput.stdout]
    [option ProcessInput.stderr] [option ProcessInput.process_name]
    [option ProcessInput.timeout]"""
    agent = lab.agent("agent", PROCESSES + TAIL)
    assert await_messages(lab, agent, 1, Logger="at_once")[0]["Payload"] == "at once\n"
    one = await_messages(lab, agent, 2, Logger="chain")[0]
    assert one["Payload"] == "a\nb b\nc\n"
    assert one["ProcessInputName"] == "chain.stdout"
    assert one["ExitStatus"] == 0 and "SubcmdErrors" not in one
    assert one["Pid"] == agent.process.pid and one["Hostname"] == "agent"
    lines = await_messages(lab, agent, 3, Logger="both")
    assert [line["Payload"] for line in lines if line["ProcessInputName"] == "both.stdout"] == \
        ["/usr\n", "green\n"]
    assert [line["Payload"] for line in lines if line["ProcessInputName"] == "both.stderr"] == \
        ["wrong\n"]
    failed = await_messages(lab, agent, 1, Logger="called")[0]
    assert failed["Payload"] == "err\n" and failed["ProcessInputName"] == "called.stderr"
    assert failed["ExitStatus"] == 5
    assert failed["SubcmdErrors"] == "Subcommand[0] returned an error: [exit status 5]"
    slow = await_messages(lab, agent, 1, Logger="slow")[0]
    assert slow["Payload"].endswith(" begun\n")
    assert slow["SubcmdErrors"].startswith(
        "Subcommand[0] returned an error: [ManagedCmd was stopped with error: "
        "[subprocess was killed: [/bin/sh -c ")
    heka.wait_for("its group to be gone", lambda: not is_group_there(group_of(slow["Payload"])))
    status = agent.status()
    assert agent.input("slow", status)["timeouts"] >= 1
    assert agent.input("errors", status)["failed_runs"] >= 1
    agent.wait("the one that runs once to end", lambda status: all(
        row["ended"] for row in status["inputs"] if row["name"] == "both"))
    assert not messages(lab, Payload="lost\n")


LEFT = """
[left]
type = "ProcessInput"
ticker_interval = 0
splitter = "TokenSplitter"
[left.command.0]
bin = "/bin/sh"
args = ["-c", "echo $$; sleep 1000 & sleep 1000"]
"""


def zombies(pid):
    out = subprocess.run(["ps", "-o", "stat=", "--ppid", str(pid)], capture_output=True, text=True,
                         check=False).stdout
    return [line for line in out.splitlines() if line.startswith("Z")]


def test_stop_kills_what_runs(lab):
    agent = lab.agent("agent", LEFT + TAIL)
    group = group_of(await_messages(lab, agent, 1, Logger="left")[0]["Payload"])
    assert is_group_there(group)
    assert not zombies(agent.process.pid)
    agent.stop()
    heka.wait_for("the commands to be gone", lambda: not is_group_there(group))


MISSING = """
[missing]
type = "ProcessInput"
ticker_interval = 1
immediate_start = true
can_exit = true
[missing.command.0]
bin = "{dir}/no-such-program"
args = ["x"]
[missing.retries]
delay = "10ms"
max_delay = "20ms"
max_jitter = "1ms"
"""


def test_missing_program(lab):
    """Is an error, and tried again until it is there."""
    agent = lab.agent("agent", MISSING + TAIL)
    path = lab.path("agent", "no-such-program")
    agent.wait("two tries", lambda status: agent.input("missing", status)["failed_starts"] >= 2)
    assert (f"CommandChain::Start() error: [Command [{path} x] triggered an error: "
            "[No such file or directory]]") in agent.process.output("err")
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho here $1\n")
    os.chmod(f"{path}.new", 0o755)
    os.rename(f"{path}.new", path)
    await_messages(lab, agent, 1, Payload="here x\n")


FOLDER = """
[folder]
type = "ProcessDirectoryInput"
process_dir = "{dir}/processes"
ticker_interval = 1
"""

CHILD = """
[ProcessInput]
splitter = "TokenSplitter"
[ProcessInput.command.0]
bin = "/bin/echo"
args = ["%s", 'quoted " \\ text']
"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}~", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}~", path)


def test_process_directory(lab):
    """[option ProcessDirectoryInput.process_dir] [option ProcessDirectoryInput.ticker_interval]
    Files that come, change, are wrong, and go."""
    agent = heka.Agent(lab.dir, "agent", FOLDER + TAIL)
    folder = lab.path("agent", "processes")
    write(f"{folder}/1/one.toml", CHILD % "first")
    write(f"{folder}/1/deeper/no.toml", CHILD % "deeper")
    write(f"{folder}/x/no.toml", CHILD % "no number")
    write(f"{folder}/1/bad.toml", "[ProcessInput\n")
    write(f"{folder}/1/other.toml", "[Other]\n")
    write(f"{folder}/1/ignored.txt", "nothing\n")
    lab.keep(agent)
    name = f"{folder}/1/one.toml"
    found = await_messages(lab, agent, 2, Logger=name)
    assert found[0]["Payload"] == 'first quoted " \\ text\n'
    assert found[0]["ProcessInputName"] == f"{name}.stdout"
    write(f"{folder}/0/once.toml", CHILD % "once")
    await_messages(lab, agent, 1, Logger=f"{folder}/0/once.toml")
    write(name, CHILD % "changed")
    await_messages(lab, agent, 1, Payload='changed quoted " \\ text\n')
    os.remove(name)
    agent.wait("it to be removed", lambda status: not any(
        row["name"] == "folder-1-one" for row in status["inputs"]))
    before = len(messages(lab, Logger=name))
    witness = f"{folder}/1/witness.toml"
    write(witness, CHILD % "witness")
    await_messages(lab, agent, 2, Logger=witness)  # a tick, in which the other could have run
    assert len(messages(lab, Logger=name)) == before
    assert len(messages(lab, Logger=f"{folder}/0/once.toml")) == 1
    out, err = agent.process.output(), agent.process.output("err")
    assert f"Added: {name}" in out and f"Removed: {name}" in out
    assert f"invalid ProcessInput path: {folder}/1/deeper." in err
    assert f"ticker interval could not be parsed for '{folder}/x'." in err
    assert f"loading process file '{folder}/1/bad.toml': " in err
    assert f"loading process file '{folder}/1/other.toml': No `ProcessInput` section." in err
    assert err.count("other.toml") == 1
    assert agent.process.is_running()


def test_check(lab):
    head = '[p]\ntype = "ProcessInput"\n'
    for text, error in [
            (head, "No Command Configured"),
            (head + '[p.command.1]\nbin = "x"\n', "Expected to find a command at index [0]"),
            (head + '[p.command.0]\nargs = ["x"]\n', "0 has no bin"),
            (head + '[p.command.0]\nbin = "x"\nargs = "y"\n', "0.args is string"),
            (head + '[p.command.0]\nbin = "x"\nargs = [1]\n', "0.args holds integer"),
            (head + '[p.command.0]\nbin = "x"\ncolor = 1\n', "unknown config setting"),
            ('[f]\ntype = "FilePollingInput"\n', "file_path"),
            ('[d]\ntype = "ProcessDirectoryInput"\nticker_interval = 0\n', "ticker_interval"),
    ]:
        code, said = lab.check(text)
        assert code == 1 and error in said, (text, said)
