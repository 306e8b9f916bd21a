# SPDX-License-Identifier: MPL-2.0
"""SandboxFilter: Lua scripts in workers that nothing can hang or bring down."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import heka
import sandbox

SOAK = int(os.environ.get("HEKA_SOAK", "0"))

SLOW = """
function process_message()
    local sum = 0
    for i = 1, 2e7 do sum = sum + i end
    return 0
end
"""

# Each is ended by another measure. name, script, options, what it dies of
RUNAWAYS = [
    ("loop", "function process_message() while true do end end", (), "instruction_limit exceeded"),
    ("unlimited", "function process_message() while true do end end", ("instruction_limit = 0",),
     "stopped by the watchdog"),
    ("caught", "function process_message() while true do pcall(error) end end",
     ("instruction_limit = 0",), "stopped by the watchdog"),
    ("memory", "function process_message() local t = {} while true do t[#t + 1] = {} end end", (),
     "not enough memory"),
    ("output", "function process_message() while true do add_to_payload('0123456789') end end",
     ("output_limit = 1024",), "output_limit exceeded"),
    ("error", "function process_message() error('no') end", (), "error.lua:1: no"),
    ("status", "function process_message() return 'x' end", (),
     "must return a numeric status code"),
    ("injects", "function process_message() for i = 1, 3 do add_to_payload('x') "
     "inject_payload('txt') end return 0 end", (), "exceeded InjectMessage count"),
]


def start(lab, sections, options=None):
    port = heka.free_port()
    return port, lab.agent("agent", sandbox.INPUT % port + sections + sandbox.OUTPUT,
                           options=options)


def logged(agent):
    return agent.process.output() + agent.process.output("err")


def payloads(text):
    return re.findall(r"^:Payload: (.*)$", text, re.M)


# [option SandboxFilter.config] [option SandboxFilter.filename] [option filters.ticker_interval]
def test_messages_go_in_and_out(lab):
    step = "local step = read_config('step')\n" + sandbox.COUNTER.replace("+ 1", "+ step")
    port, agent = start(
        lab, sandbox.section("counter", sandbox.script(lab, "counter.lua", step),
                             options=["ticker_interval = 1"], config=["step = 3"]) +
        sandbox.section("echo", sandbox.script(lab, "echo.lua", sandbox.ECHO)))
    sandbox.send(port, 0, 300)
    agent.wait("the sum", lambda status: "900" in payloads(sandbox.output(lab)))
    status = sandbox.assert_books(agent)
    text = sandbox.output(lab)
    assert [line for line in payloads(text) if line.startswith("line")] == \
        [f"line {number}" for number in range(300)]
    assert ":Type: heka.sandbox-output" in text and ":Logger: echo" in text
    assert sandbox.row(agent, "counter", status)["delivered"] == 300
    usage = sandbox.plugin(agent, "echo", status)
    assert usage["process_messages"] == 300 and usage["injected"] == 300
    assert usage["memory_bytes"] > 0 and usage["output_bytes"] > 0
    assert usage["worker_pid"] == sandbox.plugin(agent, "counter", status)["worker_pid"]


# [option SandboxFilter.module_directory]
def test_modules_come_from_their_folder_only(lab):
    os.makedirs(lab.path("modules", "deep"))
    sandbox.script(lab, "modules/deep/answer.lua", "return {value = 42}")
    ask = "local m = require('deep.answer')\n" + sandbox.COUNTER.replace("+ 1", "+ m.value")
    path = sandbox.script(lab, "ask.lua", ask)
    options = ["ticker_interval = 1", f'module_directory = "/nowhere;{lab.path("modules")}"']
    port, agent = start(lab, sandbox.section("ask", path, options=options))
    sandbox.send(port, 0, 2)
    agent.wait("the answers", lambda status: "84" in payloads(sandbox.output(lab)))


def test_a_bad_script_is_an_error_at_the_start(lab):
    path = sandbox.script(lab, "bad.lua", "function process_message( return 0 end")
    config = lab.path("bad.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f'[hekad]\nbase_dir = "{lab.path("base")}"\n' + sandbox.section("bad", path))
    made = subprocess.run([heka.HEKAD, "-config", config, "-run-dir", lab.path("run")],
                          capture_output=True, text=True, timeout=60)
    assert made.returncode == 1
    assert "Init() " in made.stderr + made.stdout and "bad.lua:1:" in made.stderr + made.stdout


KINDS = {
    "filter": '[bad]\ntype = "SandboxFilter"\nmessage_matcher = "TRUE"\n',
    "decoder": '[UdpInput]\naddress = "127.0.0.1:%d"\ndecoder = "bad"\n[bad]\n'
               'type = "SandboxDecoder"\n',
    "encoder": '[out]\ntype = "LogOutput"\nmessage_matcher = "TRUE"\nencoder = "bad"\n[bad]\n'
               'type = "SandboxEncoder"\n',
    "input": '[bad]\ntype = "SandboxInput"\n',
    "output": '[bad]\ntype = "SandboxOutput"\nmessage_matcher = "TRUE"\n',
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_check_loads_scripts(lab, kind):
    marker = lab.path("marker")
    good = sandbox.script(lab, "good.lua", f"""
        if io then io.open("{marker}", "w"):close() end
        function process_message() return 0 end""")
    bad = sandbox.script(lab, "bad.lua", "function process_message()\n    return 0 0\nend")
    needs = sandbox.script(lab, "needs.lua", "\nrequire 'not_there'")
    section = KINDS[kind].replace("%d", str(heka.free_port())) + 'filename = "%s"\n'
    code, text = lab.check(section % good)
    assert code == 0, text
    code, text = lab.check(section % bad)
    assert code == 1 and f"{bad}:2: " in text and "Init()" in text, text
    code, text = lab.check(section % needs)
    if kind in ("input", "output"):  # parsed only: they may do anything
        assert code == 0, text
    else:
        assert code == 1 and f"{needs}:2: " in text and "not_there" in text, text
    assert not os.path.exists(marker) and "Sandbox worker" not in text


# [option SandboxFilter.script_type]
def test_what_check_refuses(lab):
    path = sandbox.script(lab, "fine.lua", sandbox.COUNTER)
    cases = {
        "nowhere": (lab.path("nowhere.lua"), (), "cannot be read: No such file"),
        "folder": (lab.dir, (), "is not a file"),
        "other": (path, ['script_type = "python"'], "unsupported script type: python"),
        "table": (path, ["config = 3"], "config: is integer, allowed a table"),
    }
    for name, (filename, options, text) in cases.items():
        config = lab.path(f"{name}.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(sandbox.section(name, filename, options=options))
        made = subprocess.run([heka.HEKAD, "-config", config, "-check"], capture_output=True,
                              text=True, timeout=60)
        assert made.returncode == 1 and text in made.stdout + made.stderr, (name, made)


# [option SandboxFilter.instruction_limit] [option SandboxFilter.output_limit]
def test_runaways_cost_nobody_else_a_message(lab):
    sections = ""
    for name, text, options, _ in RUNAWAYS:
        sections += sandbox.section(name, sandbox.script(lab, f"{name}.lua", text),
                                    options=options)
    counter = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    good = [f"good{number}" for number in range(20)]
    for name in good:
        sections += sandbox.section(name, counter)
    port, agent = start(lab, sections)
    sandbox.send(port, 0, 500)
    names = {name for name, *_ in RUNAWAYS}
    agent.wait("the runaways to be gone", lambda status: not names & {
        row["name"] for row in status["filters"]}, 60)
    sandbox.send(port, 500, 1000)
    status = agent.wait("all messages", lambda status: all(
        sandbox.row(agent, name, status)["delivered"] == 1000 for name in good), 60)
    text = sandbox.output(lab)
    for name, _, _, why in RUNAWAYS:
        assert re.search(f"Plugin '{name}' error: .*{re.escape(why)}", logged(agent)), name
        assert re.search(rf':Type: heka.sandbox-terminated(\n:.*)*\n:Payload: .*{re.escape(why)}'
                         rf'(\n:.*)*\n.*name:"plugin".*"{name}"', text), name
    for name in good:
        assert sandbox.plugin(agent, name, status)["worker_restarts"] == 0


def runaway_groups():
    """Scripts that tests/unit/sandbox stops, in groups for one worker; without soaking, some."""
    folder = os.path.join(heka.ROOT, "tests", "golden", "sandbox", "runaway")
    names = sorted(os.listdir(folder))
    if not SOAK:
        names = [name for name in names if "watchdog" not in name][::7]
    return [[os.path.join(folder, name) for name in names[at:at + 12]]
            for at in range(0, len(names), 12)]


@pytest.mark.parametrize("paths", runaway_groups(), ids=lambda paths: os.path.basename(paths[0]))
def test_runaway_scripts_beside_others(lab, paths):
    counter = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    good = [f"good{number}" for number in range(20)]
    sections = "".join(sandbox.section(name, counter) for name in good)
    for path in paths:
        name = os.path.basename(path)[:-4]
        unlimited = ["instruction_limit = 0"] if "watchdog" in name else []
        sections += sandbox.section(name, path, options=unlimited)
    port, agent = start(lab, sections)
    assert len({row["plugin"]["worker_pid"] for row in agent.status()["filters"]}) == 1
    sandbox.send(port, 0, 300)
    status = agent.wait("all messages", lambda status: all(
        sandbox.row(agent, name, status)["delivered"] == 300 for name in good))
    agent.wait("the others to end, or to be fine", lambda status: all(
        row["name"] in good or row["delivered"] == 300 for row in status["filters"]))
    status = sandbox.assert_books(agent)
    assert all(sandbox.plugin(agent, name, status)["worker_restarts"] == 0 for name in good)


def processor_ms(pid):
    """Of all its threads so far; 0 when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not SOAK, reason="HEKA_SOAK")
@pytest.mark.parametrize("paths", runaway_groups(), ids=lambda paths: os.path.basename(paths[0]))
def test_how_soon_runaways_end(lab, paths):
    """Each alone, beside 20 others that get every message. Prints how long it took from its message
    until hekad had it ended (or done), and the processor time of its worker: for people."""
    counter = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    good = [f"good{number}" for number in range(20)]
    sections = "".join(sandbox.section(name, counter) for name in good)
    names = [os.path.basename(path)[:-4] for path in paths]
    for name, path in zip(names, paths):
        unlimited = ["instruction_limit = 0"] if "watchdog" in name else []
        sections += sandbox.section(name, path, f"Payload == '{name}'", unlimited)
    port, agent = start(lab, sections)
    pid = sandbox.plugin(agent, names[0])["worker_pid"]
    for name in names:
        sandbox.send(port, 0, 10)
        used, since = processor_ms(pid), time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(name.encode(), ("127.0.0.1", port))
        sandbox.send(port, 10, 20)
        agent.wait(f"{name} to end", lambda status, name=name: (
            (sandbox.row(agent, name, status) or {"delivered": 1})["delivered"] >= 1))
        wall = (time.monotonic() - since) * 1000
        print(f"runaway {name:24} {wall:6.0f} ms, {processor_ms(pid) - used:6} ms of the processor")
    status = agent.wait("all messages", lambda status: all(
        sandbox.row(agent, name, status)["delivered"] == 21 * len(names) for name in good))
    assert all(sandbox.plugin(agent, name, status)["worker_restarts"] == 0 for name in good)


# [option SandboxFilter.memory_limit]
def test_memory_limit(lab):
    grow = """
local t = {}
function process_message()
    for i = 1, 1000 do t[#t + 1] = {} end
    return 0
end
"""
    path = sandbox.script(lab, "grow.lua", grow)
    port, agent = start(lab, sandbox.section("small", path, options=["memory_limit = 200000"]) +
                        sandbox.section("large", path))
    sandbox.send(port, 0, 10)
    status = agent.wait("the small one to end", lambda status: (
        sandbox.row(agent, "small", status) is None and
        sandbox.row(agent, "large", status)["delivered"] == 10))
    assert sandbox.plugin(agent, "large", status)["memory_bytes_max"] > 200000


def test_the_culprit_ends_and_the_others_lose_nothing(lab):
    counter = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    slow = sandbox.script(lab, "slow.lua", SLOW)
    port, agent = start(lab, sandbox.section("slow", slow, options=["instruction_limit = 0"]) +
                        sandbox.section("one", counter) + sandbox.section("two", counter))
    worker = sandbox.plugin(agent, "slow")["worker_pid"]
    sandbox.send(port, 0, 50)
    agent.wait("the slow one's turn", lambda status: sandbox.row(
        agent, "slow", status)["held"] > 0)
    os.kill(worker, signal.SIGSEGV)
    agent.wait("the culprit to be gone", lambda status: sandbox.row(agent, "slow", status) is None)
    sandbox.send(port, 50, 100)
    status = sandbox.assert_books(agent, "all messages", lambda status: all(
        sandbox.row(agent, name, status)["delivered"] == 100 for name in ("one", "two")))
    assert sandbox.plugin(agent, "one", status)["worker_pid"] != worker
    assert sandbox.plugin(agent, "one", status)["worker_restarts"] == 1
    assert "while it ran slow" in logged(agent)
    assert "its worker died: " in sandbox.output(lab)


def test_a_killed_worker_is_nobodys_fault(lab):
    counter = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    port, agent = start(lab, sandbox.section("one", counter) + sandbox.section("two", counter))
    last = 0
    for turn in range(3):
        status = agent.wait("a worker", lambda status: sandbox.plugin(
            agent, "one", status)["worker_pid"] not in (0, last))
        last = sandbox.plugin(agent, "one", status)["worker_pid"]
        os.kill(last, signal.SIGKILL)
        sandbox.send(port, turn * 50, turn * 50 + 50)
        agent.wait("another worker", lambda status: sandbox.plugin(
            agent, "two", status)["worker_restarts"] == turn + 1)
    sandbox.assert_books(agent, "all messages", lambda status: all(
        sandbox.row(agent, name, status)["delivered"] == 150 for name in ("one", "two")))


# [option SandboxFilter.profile]
def test_profile(lab):
    path = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    port, agent = start(lab, sandbox.section("all", path, options=["profile = true"]) +
                        sandbox.section("some", path))
    sandbox.send(port, 0, 50)
    status = agent.wait("all messages", lambda status: all(
        row["plugin"]["process_messages"] == 50 for row in status["filters"]))
    assert sandbox.plugin(agent, "all", status)["process_samples"] == 50
    assert sandbox.plugin(agent, "some", status)["process_samples"] == 1
    assert sandbox.plugin(agent, "all", status)["process_message_ns"] > 0


# [option SandboxFilter.timer_event_on_shutdown]
def test_a_last_timer_event(lab):
    path = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    port, agent = start(lab, sandbox.section("last", path,
                                             options=["timer_event_on_shutdown = true"]) +
                        sandbox.section("none", path))
    sandbox.send(port, 0, 7)
    agent.wait("all messages", lambda status: all(row["delivered"] == 7 for row in
                                                  status["filters"]))
    agent.close()
    text = sandbox.output(lab)
    assert payloads(text) == ["7"] and ":Logger: last" in text


# [option SandboxFilter.jit]
def test_compiled_scripts_have_a_worker_of_their_own(lab):
    counter = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    loop = "function process_message() while true do end end"
    options = ["jit = true", "ticker_interval = 1"]
    port, agent = start(
        lab, sandbox.section("compiled", counter, options=options) +
        sandbox.section("plain", counter) +
        sandbox.section("stuck", sandbox.script(lab, "stuck.lua", loop), options=options))
    names = ("compiled", "plain", "stuck")
    assert len({sandbox.plugin(agent, name)["worker_pid"] for name in names}) == 3
    sandbox.send(port, 0, 500)
    status = agent.wait("the stuck one to be gone", lambda status: sandbox.row(
        agent, "stuck", status) is None)
    assert "a call that could not be stopped" in logged(agent) or \
        "stopped by the watchdog" in logged(agent)
    status = agent.wait("all messages", lambda status: all(
        sandbox.row(agent, name, status)["delivered"] == 500 for name in names[:2]) and
        "500" in payloads(sandbox.output(lab)))
    assert all(sandbox.plugin(agent, name, status)["worker_restarts"] == 0 for name in names[:2])


def test_no_loops_and_no_own_messages(lab):
    again = "function process_message() inject_message({Type = 'x'}) return 0 end"
    path = sandbox.script(lab, "again.lua", again)
    port, agent = start(
        lab, sandbox.section("a", path, "Type == 'UdpInput' || Logger == 'b'") +
        sandbox.section("b", path, "Logger == 'a'") +
        sandbox.section("own", path, "Type == 'UdpInput' || Logger == 'own'"))
    sandbox.send(port, 0, 1)
    agent.wait("all to be gone that go in a circle", lambda status: not {"a", "b"} <= {
        row["name"] for row in status["filters"]} and sandbox.row(agent, "own", status) is None)
    assert "exceeded MaxMsgLoops" in logged(agent)
    assert "creates a circular reference (matches this plugin's message_matcher)" in \
        logged(agent)


def test_a_worker_is_sealed(lab):
    path = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    _, agent = start(lab, sandbox.section("counter", path))
    worker = sandbox.plugin(agent, "counter")["worker_pid"]
    with open(f"/proc/{worker}/status", encoding="utf-8") as file:
        status = file.read()
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), status
    assert re.search(r"^Seccomp:\s+2$", status, re.M), status
    assert re.search(r"^CapPrm:\s+0+\nCapEff:\s+0+$", status, re.M), status
    assert re.search(r"^CapAmb:\s+0+$", status, re.M), status
    if os.geteuid() == 0:
        assert re.search(r"^Uid:\s+65534\s+65534\s+65534\s+65534$", status, re.M), status
        assert os.readlink(f"/proc/{worker}/ns/net") != os.readlink("/proc/self/ns/net")
    names = {os.readlink(f"/proc/{worker}/fd/{name}") for name in os.listdir(f"/proc/{worker}/fd")
             if int(name) > 2}
    assert all(name.startswith(("socket:", "/memfd:heka-sandbox")) for name in names), names
