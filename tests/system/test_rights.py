# SPDX-License-Identifier: MPL-2.0
# [option dataplane.user]
"""What runs without root and without hugepages, and what root gives up."""
import os
import pwd
import signal
import subprocess

import pytest

import heka
import sandbox

NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups",
             "--inh-caps=-all", "--bounding-set=-all", "--"]
HUGE_MBYTES = 256
TRACE = os.path.join(heka.ROOT, "tests", "golden", "replay", "statsd_good.pcap")

CONFIG = """
[StatsdInput]
address = "192.0.2.1:8125"

[StatAccumInput]
ticker_interval = 1

[stats]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/stats.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""


def status_of(pid):
    """/proc/PID/status as {key: words}"""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return {line.split(":")[0]: line.split(":")[1].split() for line in file}


@heka.needs_root
def test_replay_needs_no_right(lab):
    """As nobody, without any capability; files are copied to where nobody can read them."""
    program, profiles = heka.copy_programs(lab.dir)
    trace = lab.path("trace.pcap")
    with open(TRACE, "rb") as source, open(trace, "wb") as copy:
        copy.write(source.read())
    os.chmod(trace, 0o644)
    arguments = ["--replay", trace, "--address", "192.0.2.1/24", "--profile-dir", profiles]
    messages, ledger, done = heka.replay_command([*AS_NOBODY, program, *arguments])
    assert done.stderr == b"" and ledger["residual"] == 0
    assert ledger["counters"]["samples_flushed"] == 19 and len(messages) == 1
    assert not [name for name in os.listdir("/tmp") if name.startswith("heka-replay-")]


@heka.needs_root
@heka.needs_namespaces
def test_root_is_given_up_behind_the_start(lab):
    wire = lab.wire()
    user = pwd.getpwnam("daemon")  # not the default
    appliance = lab.appliance(wire.inner, CONFIG, options={"user": user.pw_name})
    status = status_of(appliance.status()["dataplane"]["pid"])
    assert set(status["Uid"]) == {str(user.pw_uid)} and set(status["Gid"]) == {str(user.pw_gid)}
    assert status["Groups"] == [] and status["NoNewPrivs"] == ["1"]
    assert int(status["CapEff"][0], 16) == int(status["CapPrm"][0], 16) == 0
    heka.send(wire.udp(), [b"a:1|c\nb:2|g"], appliance)
    appliance.settle(2)
    appliance.stop()


@heka.needs_namespaces
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")
def test_hekad_keeps_off_the_cores_that_are_polled(lab):
    appliance = lab.appliance(lab.wire().inner, CONFIG)
    status = appliance.status()
    plane, ours = status["dataplane"]["pid"], os.sched_getaffinity(0)
    polled = set()
    for task in os.listdir(f"/proc/{plane}/task"):
        with open(f"/proc/{plane}/task/{task}/comm", encoding="utf-8") as file:
            if file.read().startswith("rte-worker"):
                polled |= os.sched_getaffinity(int(task))
    assert polled and polled < ours
    for task in os.listdir(f"/proc/{status['pid']}/task"):
        assert os.sched_getaffinity(int(task)) == ours - polled
    appliance.stop()


def cpus_of(pid):
    """Of all threads, as /proc says it."""
    out = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as file:
            out |= {line.split()[1] for line in file if line.startswith("Cpus_allowed_list:")}
    return out


def wait_for_workers(appliance, count):
    status = appliance.wait(f"{count} sandbox workers",
                            lambda status: len(status["sandbox_workers"]) == count)
    return status["sandbox_workers"]


@heka.needs_namespaces
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")
def test_the_core_map_says_where_scripts_run(lab):
    first, second = sorted(os.sched_getaffinity(0))[:2]
    sections = CONFIG
    for name in ("jit1", "jit2", "jit3"):
        path = sandbox.script(lab, f"{name}.lua", sandbox.COUNTER)
        sections += sandbox.section(name, path, "Type == 'x'", ["jit = true"])
    the_map = heka.core_map(workers=[second], hekad_cores=[first], force=True,
                            sandbox_cores=[first, second])
    appliance = lab.appliance(lab.wire().inner, sections, the_map=the_map)
    workers = wait_for_workers(appliance, 3)
    for worker in workers:
        assert cpus_of(worker["pid"]) == {worker["cpus"]} and worker["class"] == "jit"
    assert sorted(worker["cpus"] for worker in workers) in \
        (sorted([str(first), str(first), str(second)]),)
    assert cpus_of(appliance.status()["pid"]) == {str(first)}
    killed = next(worker for worker in workers if worker["cpus"] == str(second))
    os.kill(killed["pid"], signal.SIGKILL)
    appliance.wait("another one there", lambda status: len(status["sandbox_workers"]) == 3 and
                   killed["pid"] not in [row["pid"] for row in status["sandbox_workers"]])
    again = wait_for_workers(appliance, 3)
    assert [row["cpus"] for row in again] == [row["cpus"] for row in workers]
    assert f"jit, 1 plugins, on CPUs {second}" in appliance.status_by_program()
    appliance.stop()


@heka.needs_namespaces
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")
def test_check_refuses_a_core_that_is_polled(lab):
    first, second = sorted(os.sched_getaffinity(0))[:2]
    heka.write_json(lab.path("map.json"),
                    heka.core_map(workers=[second], sandbox_cores=[first, second]))
    code, text = lab.check('[dataplane]\ncore_map = "map.json"\n'
                           f'profile_dir = "{heka.ROOT}/nic-profiles"\n' + CONFIG)
    assert code == 1
    assert f"sandbox_cores: found CPU {second}, which a worker polls" in text


@heka.needs_root
@heka.needs_namespaces
def test_an_ordinary_user_in_a_user_namespace(lab):
    """The whole way as nobody: a user namespace, a veth in it, an af_packet port, no hugepages.
    The copy of this test that does the work is test_statsd_over_both_families."""
    trial = subprocess.run([*AS_NOBODY, "unshare", "--user", "--map-root-user", "--net", "true"],
                           capture_output=True, text=True, check=False)
    if trial.returncode != 0:
        pytest.skip(f"no user namespaces for ordinary users ({trial.stderr.strip()})")
    bin_dir = os.path.dirname(heka.copy_programs(lab.dir, hekad=True)[0])
    tests = lab.path("tests")
    heka.copy_tree(os.path.join(heka.ROOT, "tests", "support"), os.path.join(tests, "support"))
    heka.copy_tree(os.path.join(heka.ROOT, "tests", "system"), os.path.join(tests, "system"))
    done = heka.run([*AS_NOBODY, "env", "HOME=/tmp", f"HEKA_PROFILE_DIR={lab.path('nic-profiles')}",
                     f"HEKA_BIN_DIR={bin_dir}", "PYTHONDONTWRITEBYTECODE=1", "unshare", "--user",
                     "--map-root-user", "--", "/usr/bin/python3", "-m", "pytest", "-q", "-rs",
                     "-p", "no:cacheprovider", os.path.join(tests, "system", "test_network.py"),
                     "-k", "test_statsd_over_both_families"], timeout=300)
    assert "1 passed" in done, done


def free_huge_mbytes():
    """Of pages of 2 MiB."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        found = {line.split(":")[0]: line.split()[1] for line in file}
    return int(found.get("HugePages_Free", 0)) * int(found.get("Hugepagesize", 0)) >> 10


@heka.needs_namespaces
@pytest.mark.parametrize("pages", ["normal", "huge"])
def test_both_kinds_of_pages(lab, pages):
    if pages == "huge" and free_huge_mbytes() < HUGE_MBYTES:
        pytest.skip(f"less than {HUGE_MBYTES} MiB of free hugepages")
    wire = lab.wire()
    appliance = lab.appliance(wire.inner, CONFIG, the_map=heka.core_map(memory={"pages": pages}))
    assert f'"pages": "{pages}"' in appliance.process.output()
    heka.send(wire.udp(), [b"a:1|c"], appliance)
    appliance.settle(1)
    appliance.stop()
