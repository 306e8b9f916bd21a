# SPDX-License-Identifier: MPL-2.0
"""DockerEventInput, DockerLogInput and DockerStatsInput against a stand-in for Docker."""
import json
import os
import stat
import time

import certificates
import docker_peer
import heka
import heka_wire
import pytest

ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64
FILE = """
[FileOutput]
message_matcher = "TRUE"
path = "{dir}/out"
encoder = "ProtobufEncoder"
flush_interval = 0
"""


def messages(agent):
    try:
        with open(f"{agent.folder}/out", "rb") as file:
            return heka_wire.frames(file.read())[0]
    except FileNotFoundError:
        return []


def wait_messages(agent, count):
    agent.wait(f"{count} messages", lambda _: len(messages(agent)) >= count)
    return messages(agent)


def wait_counter(agent, name, counter, value):
    agent.wait(f"{counter} of {name} to be {value}",
               lambda status: agent.input(name, status)[counter] >= value)


def payloads(found):
    return [message["Payload"] for message in found]


@pytest.fixture
def docker(lab):
    return lab.keep(docker_peer.DockerPeer(path=lab.path("docker.sock")))


def test_events(lab, docker):
    """[option DockerEventInput.endpoint]"""
    agent = lab.agent("agent", FILE + f"""
[DockerEventInput]
endpoint = "unix://{lab.path("docker.sock")}"
""")
    wait_counter(agent, "DockerEventInput", "connects", 1)
    docker.raw_event(json.dumps({"status": "start", "id": ONE, "from": "image:1", "time": 12}))
    docker.raw_event("no json")
    docker.raw_event(json.dumps({"Action": "die", "time": 13, "Actor": {
        "ID": TWO, "Attributes": {"image": "image:2"}}}))
    found = wait_messages(agent, 2)
    first = found[0]
    assert (first["Type"], first["Logger"]) == ("DockerEvent", ONE)
    assert first["Payload"] == f"id:{ONE} status:start from:image:1 time:12"
    assert first["Hostname"] == "agent"
    assert first["Fields"] == [("ID", [ONE]), ("Status", ["start"]), ("From", ["image:1"]),
                               ("Time", [12])]
    assert found[1]["Payload"] == f"id:{TWO} status:die from:image:2 time:13"
    assert agent.input("DockerEventInput")["bad_events"] == 1
    docker.break_off()
    wait_counter(agent, "DockerEventInput", "connects", 2)
    docker.event(status="stop", id=ONE)
    assert wait_messages(agent, 3)[2]["Fields"][1] == ("Status", ["stop"])
    heka.assert_balanced(agent.status())
    agent.stop()


def test_logs(lab, docker):
    """[option DockerLogInput.endpoint] [option DockerLogInput.name_from_env_var]
    [option DockerLogInput.fields_from_env] [option DockerLogInput.fields_from_labels]"""
    docker.run(ONE, "web", env=["NAME=other", "A=from env", "B=2", "EMPTY="],
               labels={"A": "from label", "C": "3"}).log(1, "out\n", "two\nlines\n")
    docker.run(TWO, "plain", tty=True).log(1, "terminal\r\n")
    agent = lab.agent("agent", FILE + f"""
[DockerLogInput]
endpoint = "unix://{lab.path("docker.sock")}"
name_from_env_var = "NAME"
fields_from_env = ["A", "B", "NONE", "EMPTY"]
fields_from_labels = ["A", "C"]
""")
    docker.containers[ONE[:12]].log(2, "err\n", "x" * 40000)
    found = {message["Payload"]: message for message in wait_messages(agent, 6)}
    first = found["out\n"]
    assert (first["Type"], first["Logger"], first["Hostname"]) == ("DockerLog", "stdout", "agent")
    assert first["Fields"] == [
        ("ContainerID", [ONE[:12]]), ("ContainerName", ["other"]), ("ContainerImage", ["web:1"]),
        ("NAME", ["other"]), ("A", ["from label"]), ("B", ["2"]), ("EMPTY", [""]), ("C", ["3"])]
    assert found["two\nlines\n"]["Logger"] == "stdout" and found["err\n"]["Logger"] == "stderr"
    assert found["terminal\r\n"]["Fields"] == [
        ("ContainerID", [TWO[:12]]), ("ContainerName", ["plain"]), ("ContainerImage", ["plain:1"])]
    assert sum(len(text) for text in found if text.startswith("x")) == 32768 + 7232
    docker.run(THREE, "late").log(1, "late\n")
    assert payloads(wait_messages(agent, 7))[6] == "late\n"
    assert agent.input("DockerLogInput")["containers"] == 3
    docker.containers[THREE[:12]].stop()
    agent.wait("it to be left", lambda status: agent.input(
        "DockerLogInput", status)["containers"] == 2)
    heka.assert_balanced(agent.status())
    agent.stop()


LOGS = """
[TokenSplitter]
deliver_incomplete_final = true

[DockerLogInput]
endpoint = "unix://%s"
splitter = "TokenSplitter"
since_path = "state/since.json"
"""


def since(agent):
    with open(f"{agent.folder}/base/state/since.json", encoding="ascii") as file:
        return json.load(file)


def test_since(lab, docker):
    """[option DockerLogInput.since_path] [option DockerLogInput.since_interval]
    [option DockerLogInput.container_expiry_days]
    [option DockerLogInput.new_containers_replay_logs]
    Where it goes on: after a restart, when Docker was away, for what was never seen."""
    sections = FILE + LOGS % lab.path("docker.sock") + """since_interval = "200ms"
container_expiry_days = 2
new_containers_replay_logs = false
"""
    now = int(time.time())
    folder = lab.path("agent", "base", "state")
    one, two = docker.run(ONE, "one"), docker.run(TWO, "two")
    one.log(1, "one old\n", second=now - 500)
    two.log(1, "two old\n", second=now - 500)
    agent = heka.Agent(lab.dir, "agent", sections)
    os.makedirs(folder)
    with open(folder + "/since.json", "w", encoding="ascii") as file:
        json.dump({"Since": now - 100, "Containers": {
            ONE[:12]: now - 1000, "a" * 12: now - 3 * 86400, "b" * 12: now - 86400}}, file)
    lab.keep(agent)
    wait_counter(agent, "DockerLogInput", "attached", 2)
    one.log(1, "one new\nhalf a ", second=now)
    two.log(1, "two new\n", second=now)
    found = wait_messages(agent, 3)
    assert sorted(payloads(found)) == ["one new\n", "one old\n", "two new\n"]
    agent.wait("the file to be written", lambda _: since(agent)["Since"] > now - 100)
    assert set(since(agent)["Containers"]) == {ONE[:12], TWO[:12], "b" * 12}
    seen = []

    def is_soon(_):
        """By default it is written each 5 s."""
        seen.append(since(agent)["Since"])
        return any(0 < after - before <= 2 for before, after in zip(seen, seen[1:]))
    agent.wait("it to be written again, and soon", is_soon)
    one.log(1, "line\n")
    one.stop()
    assert payloads(wait_messages(agent, 4))[3] == "half a line\n"
    agent.wait("its end to be written", lambda _: since(agent)["Containers"][ONE[:12]] >= now - 1)
    assert since(agent)["Containers"][TWO[:12]] == 0
    docker.is_away = True
    docker.break_off()
    two.log(1, "while away\n")
    wait_counter(agent, "DockerLogInput", "failures", 3)
    docker.is_away = False
    agent.wait("the line of meanwhile", lambda _: "while away\n" in payloads(messages(agent)))
    agent.stop()
    before = since(agent)["Since"]
    two.log(1, "between\n", second=before)
    agent.start()
    agent.wait("the line of meanwhile", lambda _: "between\n" in payloads(messages(agent)))
    assert payloads(messages(agent)).count("two old\n") == 0
    agent.stop()


def test_since_at_the_end_only_and_bad_files(lab, docker):
    docker.run(ONE, "one").log(1, "text\n")
    sections = FILE + LOGS % lab.path("docker.sock") + 'since_interval = "0s"\n'
    agent = lab.agent("agent", sections)
    assert since(agent) == {"Since": 0, "Containers": {}}
    assert stat.S_IMODE(os.stat(f"{agent.folder}/base/state").st_mode) == 0o700
    wait_messages(agent, 1)
    assert since(agent) == {"Since": 0, "Containers": {}}
    agent.stop()
    assert list(since(agent)["Containers"]) == [ONE[:12]]
    with open(f"{agent.folder}/base/state/since.json", "w", encoding="ascii") as file:
        file.write("{")
    with pytest.raises(AssertionError):
        agent.start()
    assert 'Can\'t decode "since" file' in agent.process.output("err")


def test_reload(lab, docker):
    """The one that takes over goes on where the former has ended, also when only that wrote it."""
    docker.run(ONE, "one").log(1, "old\n", second=time.time() - 500)
    sections = FILE + LOGS % lab.path("docker.sock") + 'since_interval = "0s"\n'
    agent = lab.agent("agent", sections)
    wait_messages(agent, 1)
    agent.rewrite(sections + "container_expiry_days = 3\n")
    agent.ask("reload")
    agent.wait("the other to follow it", lambda status: since(agent)["Since"] > 0 and
               agent.input("DockerLogInput", status)["containers"] == 1)
    docker.containers[ONE[:12]].log(1, "new\n")
    agent.wait("the new line", lambda _: "new\n" in payloads(messages(agent)))
    assert payloads(messages(agent)) == ["old\n", "new\n"]
    heka.assert_balanced(agent.status())
    agent.stop()


def test_bad_frames(lab, docker):
    """An answer that makes no sense is asked for again."""
    one = docker.run(ONE, "one")
    docker.garbage = b"HTTP is no frame"
    agent = lab.agent("agent", FILE + LOGS % lab.path("docker.sock"))
    one.log(2, "text\n")
    assert payloads(wait_messages(agent, 1)) == ["text\n"]
    row = agent.input("DockerLogInput")
    assert row["bad_frames"] == 1 and row["attached"] == 2
    agent.stop()


def test_stats(lab, docker):
    """[option DockerStatsInput.endpoint] [option DockerStatsInput.name_from_env_var]
    [option DockerStatsInput.fields_from_env] [option DockerStatsInput.fields_from_labels]"""
    first = {"read": "2015-01-08T22:57:31.547920715Z", "cpu_stats": {"total": 1.5}}
    one = docker.run(ONE, "one", env=["NAME=named", "A=1"], labels={"L": "2"})
    one.stat(json.dumps(first))
    one.stat("no json")
    agent = lab.agent("agent", FILE + f"""
[DockerStatsInput]
endpoint = "unix://{lab.path("docker.sock")}"
name_from_env_var = "NAME"
fields_from_env = ["A"]
fields_from_labels = ["L"]
""")
    one.stat(json.dumps({"read": "0001-01-01T00:00:00Z"}))
    found = wait_messages(agent, 2)
    assert (found[0]["Type"], found[0]["Logger"]) == ("DockerStats", "named")
    assert json.loads(found[0]["Payload"]) == first
    assert found[0]["Timestamp"] == 1420757851547920715
    assert found[0]["Fields"] == [
        ("ContainerID", [ONE[:12]]), ("ContainerName", ["named"]), ("ContainerImage", ["one:1"]),
        ("NAME", ["named"]), ("A", ["1"]), ("L", ["2"])]
    assert abs(found[1]["Timestamp"] / 1e9 - time.time()) < 600
    assert agent.input("DockerStatsInput")["bad_stats"] == 1
    heka.assert_balanced(agent.status())
    agent.stop()


def test_tls(lab):
    """[option DockerEventInput.cert_path] [option DockerLogInput.cert_path]
    [option DockerStatsInput.cert_path]"""
    authority = certificates.Authority(lab.path("ca"))
    cert, key = authority.make("cert")
    os.rename(key, lab.path("ca", "key.pem"))
    docker = lab.keep(docker_peer.DockerPeer(tls=(cert, lab.path("ca", "key.pem"))))
    docker.run(ONE, "one").log(1, "text\n")
    docker.containers[ONE[:12]].stat('{"read": ""}')
    agent = lab.agent("agent", FILE + "".join(f"""
[{name}]
endpoint = "tcp://127.0.0.1:{docker.peer.port}"
cert_path = "{lab.path("ca")}"
""" for name in ("DockerEventInput", "DockerLogInput", "DockerStatsInput")))
    wait_counter(agent, "DockerEventInput", "connects", 1)
    docker.event(status="pause", id=ONE)
    found = wait_messages(agent, 3)
    assert {message["Type"] for message in found} == {"DockerLog", "DockerStats", "DockerEvent"}
    agent.stop()
