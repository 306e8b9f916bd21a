# SPDX-License-Identifier: MPL-2.0
"""Bad configuration, core map, profile, plan: all errors at once with file and line, exit status 1,
and nothing is started."""
import os
import shutil
import subprocess

import pytest

import heka

CORE_MAP = """{
  "mian_core": 0,
  "workers": [4000],
  "lane_mbytes": 3,
  "ports": [
    {
      "name": "lan",
      "profile": "af_paket",
      "device": "port0",
      "addresses": ["192.0.2.1", "300.0.0.1/24"],
      "vlan": 5000
    }
  ]
}
"""
CORE_MAP_ERRORS = [
    "core_map.json:2: unknown config setting for 'core map': mian_core",
    "core_map.json:3: workers: found CPU 4000",
    "core_map.json:4: lane_mbytes: found 3, allowed",
    'core_map.json:8: profile: found "af_paket", allowed af_packet',
    'core_map.json:10: addresses: found "192.0.2.1", allowed',
    'core_map.json:10: addresses: found "300.0.0.1/24", allowed',
    "core_map.json:11: vlan: found 5000, allowed 0 to 4094",
]

CONFIG = """[hekad]
base_dir = "{dir}/base"
maxproc = 2

[dataplane]
core_map = "core_map.json"
run_dir = "{dir}/run"

[StatsdInput]
address = "192.0.2.1:8125"
stat_accum_name = "Nowhere"

[StatAccumInput]
ticker_interval = 0

[CarbonOutput]
message_matcher = "Type = 'heka.statmetric'"
adress = "localhost:2003"

[LogOutput]
encoder = "NoSuchEncoder"

[Strange]
type = "StrangeOutput"
message_matcher = "TRUE"

[FileOutput]
message_matcher = "TRUE"
encoder = "PayloadEncoder"
flush_operator = "XOR"

[PayloadEncoder]
append_newlines = "yes"
"""
CONFIG_ERRORS = [
    "hekad.toml:3: unknown config setting for 'hekad': maxproc",
    "hekad.toml:11: 'StatsdInput' refers to StatAccumInput 'Nowhere'",
    "hekad.toml:14: ",
    "hekad.toml:17: ",
    "hekad.toml:18: unknown config setting for 'CarbonOutput': adress",
    "hekad.toml:20: 'LogOutput' missing message matcher",
    "hekad.toml:21: ",
    "hekad.toml:24: No registered plugin type: StrangeOutput",
    "hekad.toml:27: path: missing",
    'hekad.toml:30: flush_operator: found "XOR", allowed',
    'hekad.toml:33: append_newlines: found "yes", allowed true or false',
]

GOOD = """[hekad]
base_dir = "{dir}/base"

[dataplane]
core_map = "core_map.json"
run_dir = "{dir}/run"

[StatsdInput]
address = "192.0.2.1:8125"

[StatAccumInput]

[LogOutput]
message_matcher = "TRUE"
encoder = "PayloadEncoder"

[PayloadEncoder]
"""

PLAN = """{
  "accumulators": [{"name": "a", "names_max": 0}],
  "listeners": [{"name": "t", "kind": "telegram", "address": ":1"},
                {"name": "s", "kind": "statsd", "address": "192.0.2.1:8125", "accumulator": "b"}],
  "unknown": 1
}
"""
PLAN_ERRORS = [
    "plan.json:2: names_max: found 0, allowed",
    'plan.json:3: kind: found "telegram", allowed',
    "plan.json:4: accumulator: found 'b'",
    "plan.json:5: unknown config setting for 'plan': unknown",
]


def write(lab, name, text):
    with open(lab.path(name), "w", encoding="utf-8") as file:
        file.write(text.replace("{dir}", lab.dir))


def run(lab, *command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL, cwd=lab.dir, timeout=120,
                          env=dict(os.environ, **heka.environment(lab.dir)))
    print(done.stdout, done.stderr)
    return done


def assert_refused(lab, done, errors):
    assert done.returncode == 1
    for error in errors:
        assert error in done.stderr, f"'{error}' is missing in:\n{done.stderr}"
    assert not os.path.exists(lab.path("run", "segment"))
    assert not os.path.exists(lab.path("run", "hekad.sock"))


@pytest.mark.parametrize("options", [[], ["-check"]])
def test_all_errors_of_a_configuration_at_once(lab, options):
    write(lab, "hekad.toml", CONFIG)
    write(lab, "core_map.json", CORE_MAP)
    done = run(lab, heka.HEKAD, "-config", "hekad.toml", *options)
    assert_refused(lab, done, CONFIG_ERRORS + CORE_MAP_ERRORS)


def test_a_good_configuration_is_checked_and_not_started(lab):
    write(lab, "hekad.toml", GOOD)
    heka.write_json(lab.path("core_map.json"), heka.core_map())
    done = run(lab, heka.HEKAD, "-config", "hekad.toml", "-check")
    assert done.returncode == 0 and "OK" in done.stdout
    assert not os.path.exists(lab.path("run"))


def test_toml_that_is_none(lab):
    write(lab, "hekad.toml", '[hekad]\nmaxprocs = \n[LogOutput\nx = "1\n')
    done = run(lab, heka.HEKAD, "-config", "hekad.toml")
    assert_refused(lab, done, ["hekad.toml:2: ", "hekad.toml:3: ", "hekad.toml:4: "])


def test_missing_files_are_named(lab):
    write(lab, "hekad.toml", GOOD)
    assert_refused(lab, run(lab, heka.HEKAD, "-config", "hekad.toml"), ["core_map.json: "])
    assert_refused(lab, run(lab, heka.HEKAD, "-config", "gone.toml"), ["gone.toml: "])
    assert_refused(lab, run(lab, heka.DATAPLANE, "--replay", "gone.pcap"), ["gone.pcap: "])


def test_core_map_and_plan_are_refused_together(lab):
    write(lab, "core_map.json", CORE_MAP)
    write(lab, "plan.json", PLAN)
    for options in ([], ["--check"]):
        done = run(lab, heka.DATAPLANE, "--core-map", "core_map.json", "--plan", "plan.json",
                   "--run-dir", lab.path("run"), *options)
        assert_refused(lab, done, CORE_MAP_ERRORS + PLAN_ERRORS)


def test_a_bad_rule_is_shown_with_its_consumer(lab):
    heka.write_json(lab.path("core_map.json"), heka.core_map())
    heka.write_json(lab.path("plan.json"), {"consumers": [
        {"name": "fine", "message_matcher": "TRUE"},
        {"name": "wrong", "message_matcher": "Type =="},
        {"name": "worse", "message_matcher": "Colour == 'red'"}]})
    done = run(lab, heka.DATAPLANE, "--core-map", "core_map.json", "--plan", "plan.json",
               "--run-dir", lab.path("run"))
    assert_refused(lab, done, ["wrong", "worse"])


def test_a_bad_profile(lab):
    """Of all profiles in the folder, each error with file and line."""
    profiles = lab.path("nic-profiles")
    shutil.copytree(os.path.join(heka.ROOT, "nic-profiles"), profiles)
    write(lab, "nic-profiles/af_packet.json",
          '{\n  "driver": "net_af_packet",\n  "bus": "isa",\n  "brust": 32\n}\n')
    write(lab, "nic-profiles/null.json", "{\n  nothing\n}\n")
    heka.write_json(lab.path("core_map.json"), heka.core_map())
    heka.write_json(lab.path("plan.json"), {})
    done = run(lab, heka.DATAPLANE, "--core-map", "core_map.json", "--plan", "plan.json",
               "--run-dir", lab.path("run"), "--profile-dir", profiles)
    assert_refused(lab, done, ['af_packet.json:3: bus: found "isa", allowed', "af_packet.json:4: ",
                               "brust", "null.json:2: "])


def test_unknown_arguments(lab):
    for program, argument in ((heka.HEKAD, "-colour"), (heka.HEKAD, "dance"),
                              (heka.DATAPLANE, "--colour"), (heka.DATAPLANE, "dance")):
        done = run(lab, program, argument)
        assert done.returncode == 1 and argument.strip("-") in done.stderr
    assert run(lab, heka.HEKAD, "-version").returncode == 0
    assert run(lab, heka.DATAPLANE, "--version").returncode == 0


@heka.needs_namespaces
def test_a_port_that_is_not_there(lab):
    """The data plane cannot start: hekad says why and ends, instead of trying for ever."""
    wire = lab.wire()
    the_map = heka.core_map()
    the_map["ports"][0]["device"] = "nic7"
    write(lab, "hekad.toml", GOOD)
    heka.write_json(lab.path("core_map.json"), the_map)
    done = run(lab, *wire.inner.command(heka.HEKAD, "-config", "hekad.toml"))
    assert done.returncode == 1
    assert "nic7" in done.stderr and "needs" in done.stderr
    assert not os.path.exists(lab.path("run", "hekad.sock"))


@heka.needs_namespaces
def test_a_second_one_in_the_same_run_directory(lab):
    wire = lab.wire()
    sections = GOOD.split("[StatsdInput]")[1]
    appliance = lab.appliance(wire.inner, "[StatsdInput]" + sections)
    done = run(lab, *wire.inner.command(heka.HEKAD, "-config", appliance.config))
    assert done.returncode == 1 and "run" in done.stderr
    assert appliance.status()["state"] == "running"
    appliance.stop()
