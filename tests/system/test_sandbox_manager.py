# SPDX-License-Identifier: MPL-2.0
"""SandboxManagerFilter: Lua filters that messages load, replace and unload."""
import os
import re
import socket
import stat
import time

import heka
import sandbox

SOAK = int(os.environ.get("HEKA_SOAK", "0"))

CONTROL = """
[control]
type = "TcpInput"
address = "127.0.0.1:%d"
splitter = "signed"

[signed]
type = "HekaFramingSplitter"
[signed.signer.ops_0]
hmac_key = "secret"

[manager]
type = "SandboxManagerFilter"
message_signer = "ops"
%s
"""


class Operator:
    """Sends control messages."""

    def __init__(self, port, signer="ops", key="secret"):
        self.link = socket.create_connection(("127.0.0.1", port))
        self.signer, self.key = signer, key

    def send(self, data):
        self.link.sendall(sandbox.framed(data, self.signer, 0, self.key))

    def close(self):
        self.link.close()


def start(lab, managing="", more="", **rest):
    control, port = heka.free_port(socket.SOCK_STREAM), heka.free_port()
    agent = lab.agent("agent", sandbox.INPUT % port + CONTROL % (control, managing) + more +
                      sandbox.OUTPUT, **rest)
    return port, Operator(control), agent, control


def managed(status):
    return {row["name"] for row in status["filters"] if row["name"].startswith("manager-")}


def manager(agent, status=None):
    return sandbox.plugin(agent, "manager", status)


# [option SandboxManagerFilter.working_directory] [option filters.message_signer]
def test_load_replace_unload(lab):
    port, operator, agent, _ = start(lab, 'working_directory = "here"')
    steps = sandbox.COUNTER.replace("+ 1", "+ read_config('step')")
    operator.send(sandbox.load("my counter", steps,
                               ["message_matcher = \"Type == 'UdpInput'\"", "ticker_interval = 1"],
                               ["step = 5", "share = 0.5", 'text = "a\\"b"', "yes = true"]))
    agent.wait("the filter", lambda status: "manager-my_counter" in managed(status) and
               manager(agent, status)["loaded"] == 1)
    folder = lab.path("agent", "base", "here")
    assert sorted(os.listdir(folder)) == ["manager-my_counter.lua", "manager-my_counter.toml"]
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert all(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600
               for name in os.listdir(folder))
    sandbox.send(port, 0, 4)
    agent.wait("the sum", lambda status: re.search(
        r"^:Logger: manager-my_counter\n:Payload: 20$", sandbox.output(lab), re.M))
    operator.send(sandbox.load("my counter", sandbox.ECHO))
    agent.wait("another script", lambda status: manager(agent, status)["loaded"] == 2)
    sandbox.send(port, 100, 103)
    agent.wait("its echo", lambda status: "line 102" in sandbox.output(lab))
    assert sorted(os.listdir(folder)) == ["manager-my_counter.lua", "manager-my_counter.toml"]
    operator.send(sandbox.unload("my counter"))
    status = agent.wait("it to be gone", lambda status: not managed(status))
    assert os.listdir(folder) == [] and manager(agent, status)["unloaded"] == 1
    sandbox.assert_books(agent)


# [option SandboxManagerFilter.max_filters] [option SandboxManagerFilter.memory_limit]
# [option SandboxManagerFilter.instruction_limit] [option SandboxManagerFilter.output_limit]
# [option SandboxManagerFilter.module_directory]
def test_what_a_manager_refuses_and_imposes(lab):
    os.makedirs(lab.path("modules"))
    sandbox.script(lab, "modules/answer.lua", "return {value = 42}")
    port, operator, agent, control = start(
        lab, f'max_filters = 3\nmemory_limit = 200000\ninstruction_limit = 5000\n'
        f'output_limit = 2000\nmodule_directory = "{lab.path("modules")}"')
    matcher = "message_matcher = \"Type == 'UdpInput'\""
    cases = [
        ("bad", "function", (matcher,), "Init\\(\\) "),
        ("python", sandbox.COUNTER, (matcher, 'script_type = "py"'), "unsupported script type: py"),
        ("kind", sandbox.COUNTER, (), "Plugin must be a SandboxFilter, received CounterFilter"),
        ("nomatch", sandbox.COUNTER, (), "missing message matcher"),
        ("rule", sandbox.COUNTER, ('message_matcher = "Type =="',), "message_matcher"),
    ]
    kinds = {"kind": "CounterFilter"}
    for turn, (name, text, options, why) in enumerate(cases):
        operator.send(sandbox.load(name, text, options, kind=kinds.get(name, "SandboxFilter")))
        agent.wait(f"{name} to be refused", lambda status: manager(
            agent, status)["load_failed"] == turn + 1)
        found = agent.wait("why", lambda status: re.search(
            rf':Type: heka.sandbox-terminated(\n:.*)*\n:Payload: .*{why}.*(\n:.*)*\n.*"manager"',
            sandbox.output(lab)))
        assert found and not managed(agent.status()), name
        assert os.listdir(lab.path("agent", "base", "sbxmgrs")) == [], name
    stranger = Operator(control, None)
    stranger.send(sandbox.load("stranger", sandbox.COUNTER))
    operator.send(sandbox.load("old", sandbox.COUNTER, timestamp_ns=time.time_ns() - 60 * 10 ** 9))
    agent.wait("a message of the past", lambda status: manager(agent, status)["stale"] == 1)
    options = (matcher, "memory_limit = 90000000", "instruction_limit = 0", "output_limit = 0",
               'module_directory = "/"', "jit = true")
    eager = {
        "memory": "function process_message() local s = ('x'):rep(1000000) return 0 end",
        "loop": "require('answer') function process_message() while true do end end",
        "output": "function process_message() while true do add_to_payload('0123456789') end end",
    }
    for name, text in eager.items():
        operator.send(sandbox.load(name, text, options))
    agent.wait("three", lambda status: len(managed(status)) == 3)
    operator.send(sandbox.load("fourth", sandbox.COUNTER))
    agent.wait("no more", lambda status: manager(agent, status)["load_failed"] == len(cases) + 1)
    sandbox.send(port, 0, 1)
    agent.wait("all to be ended", lambda status: not managed(status))
    text = agent.process.output("err")
    for name, why in (("memory", "not enough memory"), ("loop", "instruction_limit exceeded"),
                      ("output", "output_limit exceeded")):
        assert re.search(f"Plugin 'manager-{name}' error: .*{why}", text), name
    assert "manager attempted to load more than 3 filters" in text
    stranger.close()


def test_a_bad_script_does_not_replace_a_good_one(lab):
    port, operator, agent, _ = start(lab)
    operator.send(sandbox.load("echo", sandbox.ECHO))
    agent.wait("the filter", lambda status: manager(agent, status)["loaded"] == 1)
    operator.send(sandbox.load("echo", "this is no Lua"))
    agent.wait("its end", lambda status: manager(agent, status)["load_failed"] == 1)
    sandbox.send(port, 0, 3)
    agent.wait("the echo", lambda status: "line 2" in sandbox.output(lab))
    with open(lab.path("agent", "base", "sbxmgrs", "manager-echo.lua"), encoding="utf-8") as file:
        assert file.read() == sandbox.ECHO


def test_filters_are_there_again_after_a_restart(lab):
    port, operator, agent, _ = start(lab)
    operator.send(sandbox.load("echo", sandbox.ECHO))
    agent.wait("the filter", lambda status: manager(agent, status)["loaded"] == 1)
    operator.close()
    agent.process.stop()
    agent.start()
    agent.wait("the filter", lambda status: manager(agent, status)["loaded"] == 1)
    sandbox.send(port, 0, 3)
    agent.wait("the echo", lambda status: "line 2" in sandbox.output(lab))
    sandbox.assert_books(agent)


# [option hekad.max_process_duration]
def test_a_slow_one_that_others_wait_for_ends(lab):
    slow = "function process_message() for i = 1, 2e4 do local a = i end return 0 end"
    path = sandbox.script(lab, "slow.lua", slow)
    port, operator, agent, _ = start(lab, more=sandbox.section("trusted", path),
                                     options={"max_process_duration": 20000})
    operator.send(sandbox.load("slow", slow))
    operator.send(sandbox.load("fast", sandbox.COUNTER))
    agent.wait("the filters", lambda status: manager(agent, status)["loaded"] == 2)
    sandbox.send(port, 0, 6000)
    agent.wait("its end", lambda status: managed(status) == {"manager-fast"})
    status = sandbox.assert_books(agent)
    text = sandbox.output(lab)
    assert ":Payload: sandbox is running slowly and blocking the router" in text
    assert re.search(r'name:"ProcessMessageAvgDuration" type:integer value:\d+', text), text
    assert {row["name"] for row in status["filters"]} == {"manager", "manager-fast", "trusted"}


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"^VmRSS:\s+(\d+)", file.read(), re.M).group(1))


def test_many_changes_under_load_lose_nothing(lab):
    """Loads, replaces and unloads while messages come; the counter beside gets all of them."""
    counter = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    port, operator, agent, _ = start(lab, more=sandbox.section("all", counter))
    rounds, before = 10 * max(SOAK, 1), 0
    with sandbox.Flood(port):
        for turn in range(rounds):
            operator.send(sandbox.load("f", sandbox.COUNTER + f"-- {turn}"))
            operator.send(sandbox.load("g", sandbox.ECHO.replace("echo", f"echo{turn}")))
            agent.wait("both", lambda status: manager(agent, status)["loaded"] >= 2 * turn + 2)
            if turn % 3 == 2:
                operator.send(sandbox.unload("f"))
                agent.wait("one", lambda status: managed(status) == {"manager-g"})
            if turn == rounds // 2:
                before = memory_kb(agent.process.pid)
    status = sandbox.assert_books(agent)
    assert sandbox.row(agent, "all", status)["delivered"] == \
        agent.input("UdpInput", status)["datagrams"]
    assert agent.input("UdpInput", status)["socket_drops"] == 0
    assert not SOAK or memory_kb(agent.process.pid) < before * 1.1
