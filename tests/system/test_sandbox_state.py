# SPDX-License-Identifier: MPL-2.0
"""What scripts keep: over restarts, reloads, and workers and hekads that die."""
import os
import re
import signal

import heka
import sandbox

SOAK = int(os.environ.get("HEKA_SOAK", "0"))

OPTIONS = ["ticker_interval = 1", "preserve_data = true"]

SLOW = """
function process_message()
    for i = 1, 3e7 do local a = i end
    return 0
end
"""


def start(lab, sections, port=None):
    port = port or heka.free_port()
    return port, lab.agent("agent", sandbox.INPUT % port + sections + sandbox.OUTPUT)


def counts(lab, name="counter"):
    return [int(count) for count in re.findall(rf"^:Logger: {name}\n:Payload: (\d+)$",
                                               sandbox.output(lab), re.M)]


def wait_for_count(lab, agent, count, name="counter"):
    agent.wait(f"{name} to say {count}", lambda status: counts(lab, name)[-1:] == [count])


# [option SandboxFilter.preserve_data]
def test_state_survives_a_restart(lab):
    path = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    port, agent = start(lab, sandbox.section("counter", path, options=OPTIONS) +
                        sandbox.section("forgetful", path, options=OPTIONS[:1]))
    sandbox.send(port, 0, 10)
    wait_for_count(lab, agent, 10)
    agent.process.stop()
    assert os.listdir(lab.path("agent", "base", "sandbox_preservation")) == ["counter.data"]
    agent.start()
    sandbox.send(port, 10, 15)
    wait_for_count(lab, agent, 15)
    wait_for_count(lab, agent, 5, "forgetful")


def test_heka_data_files_are_taken_over(lab):
    path = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    port, agent = start(lab, sandbox.section("counter", path, options=OPTIONS))
    agent.process.stop()
    sandbox.script(lab, "agent/base/sandbox_preservation/counter.data", '_G["count"] = 1000\n')
    agent.start()
    sandbox.send(port, 0, 1)
    wait_for_count(lab, agent, 1001)


# [option SandboxFilter.revision]
def test_state_survives_a_reload(lab):
    path = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    port, agent = start(lab, sandbox.section("counter", path, options=OPTIONS))
    for turn in range(1, 4):
        sandbox.send(port, 0, 50)
        sandbox.script(lab, "counter.lua", sandbox.COUNTER + f"-- {turn}\n")
        agent.rewrite(sandbox.INPUT % port + sandbox.OUTPUT + sandbox.section(
            "counter", path, options=OPTIONS + [f'revision = "{turn}"']))
        agent.wait("the change before", lambda status: not status["changing"])
        assert agent.ask("reload")["ok"]
    wait_for_count(lab, agent, 150)
    sandbox.assert_books(agent)


def test_state_survives_the_end_of_the_worker(lab):
    """Also of a script that does not preserve its data: another script's fault is not its own."""
    path = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    slow = sandbox.script(lab, "slow.lua", SLOW)
    echo = sandbox.script(lab, "echo.lua", sandbox.ECHO)
    port, agent = start(lab, sandbox.section("slow", slow, "Payload == 'line 999'",
                                             ["instruction_limit = 0"]) +
                        sandbox.section("counter", path, options=OPTIONS[:1]) +
                        sandbox.section("echo", echo))
    sandbox.send(port, 0, 100)
    agent.wait("the echo", lambda status: "line 99\n" in sandbox.output(lab))
    worker = sandbox.plugin(agent, "slow")["worker_pid"]
    sandbox.send(port, 999, 1000)
    agent.wait("its turn", lambda status: sandbox.row(agent, "slow", status)["held"] > 0)
    sandbox.send(port, 100, 200)
    os.kill(worker, signal.SIGSEGV)
    agent.wait("the culprit to be gone", lambda status: sandbox.row(agent, "slow", status) is None)
    os.kill(sandbox.plugin(agent, "counter")["worker_pid"], signal.SIGKILL)
    sandbox.send(port, 200, 300)
    wait_for_count(lab, agent, 301)
    sandbox.assert_books(agent)
    echoed = re.findall(r"^:Payload: line (\d+)$", sandbox.output(lab), re.M)
    assert sorted(map(int, echoed)) == list(range(300)) + [999], "none lost, none twice"


def test_state_survives_many_ends_under_load(lab):
    """At any instruction: nothing is counted twice or not at all, nothing is injected twice."""
    path = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    echo = sandbox.script(lab, "echo.lua", sandbox.ECHO)
    port, agent = start(lab, sandbox.section("counter", path, options=OPTIONS) +
                        sandbox.section("echo", echo))
    last = 0
    with sandbox.Flood(port) as flood:
        for _ in range(3 * max(SOAK, 1)):
            status = agent.wait("a worker", lambda status: sandbox.plugin(
                agent, "counter", status)["worker_pid"] not in (0, last))
            last = sandbox.plugin(agent, "counter", status)["worker_pid"]
            before = flood.sent
            heka.wait_for("messages", lambda: flood.sent > before + 500)
            os.kill(last, signal.SIGKILL)
    sandbox.assert_books(agent, "all messages", lambda status: agent.input(
        "UdpInput", status)["datagrams"] == flood.sent)
    wait_for_count(lab, agent, flood.sent)
    echoed = [int(line) for line in re.findall(r"^:Payload: line (\d+)$", sandbox.output(lab),
                                               re.M)]
    assert len(echoed) == flood.sent and sorted(echoed) == list(range(flood.sent))


def test_state_survives_a_hekad_that_dies(lab):
    """Nothing is released that is not in the file: the next hekad reads it again."""
    path = sandbox.script(lab, "counter.lua", sandbox.COUNTER)
    port, agent = start(lab, sandbox.section("counter", path, options=OPTIONS))
    for turn in range(1, 3):
        worker = sandbox.plugin(agent, "counter")["worker_pid"]
        sandbox.send(port, 0, 100)
        agent.wait("all messages", lambda status: agent.input(
            "UdpInput", status)["datagrams"] == 100)
        if turn == 2: # with and without a checkpoint
            wait_for_count(lab, agent, 200)
        agent.process.send_signal(signal.SIGKILL)
        agent.process.wait()
        heka.wait_for("its worker to go, too", lambda: not os.path.exists(f"/proc/{worker}"))
        agent.start()
    wait_for_count(lab, agent, 200)
    sandbox.assert_books(agent)


def test_state_that_cannot_be_kept(lab):
    odd = sandbox.COUNTER + "t = {[function() end] = 1}\n"
    path = sandbox.script(lab, "odd.lua", odd)
    port, agent = start(lab, sandbox.section("odd", path, options=OPTIONS))
    sandbox.send(port, 0, 3)
    wait_for_count(lab, agent, 3, "odd")
    agent.wait("the text", lambda status: "Destroy() " in agent.process.output("err"))
    assert os.listdir(lab.path("agent", "base", "sandbox_preservation")) == []
