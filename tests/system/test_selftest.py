# SPDX-License-Identifier: MPL-2.0
"""hekad selftest: its accounting, its exit status, its JSON, what it refuses, and that nothing is
left behind. How fast anything is, is no test."""
import json
import os
import signal
import struct
import subprocess

import pytest

import appliance
import heka

BLAST = os.path.join(os.path.dirname(heka.HEKAD), "..", "bench", "blast")
CPUS = sorted(os.sched_getaffinity(0))
MAC = "02:00:00:00:00:01"
SHORT = ("-seconds=0.1", "-json")

CONFIG = """
[hekad]
base_dir = "{dir}/base"

[dataplane]
core_map = "core_map.json"
run_dir = "{dir}/run"
profile_dir = "{profiles}"

[stats]
type = "FileOutput"
message_matcher = "TRUE"
path = "{dir}/delivered.txt"
encoder = "PayloadEncoder"

[PayloadEncoder]
append_newlines = false
"""
STATSD = """
[StatsdInput]
address = "192.0.2.1:8125"

[StatAccumInput]
ticker_interval = 1
counter_prefix = "c"
"""
LINES = """
[lines]
type = "UdpInput"
address = "192.0.2.1:5514"
splitter = "TokenSplitter"
"""
FRAMES = """
[frames]
type = "UdpInput"
address = ":5565"
splitter = "HekaFramingSplitter"
decoder = "ProtobufDecoder"
"""


class Box:
    """A configuration, and what is started by it on the CPUs given."""

    def __init__(self, lab, sections, cpus=None, **changes):
        self.lab, self.cpus = lab, cpus or CPUS[:1]
        port = {"name": "lan", "profile": "vhost", "device": lab.path("lan.sock"), "mac": MAC,
                "addresses": ["192.0.2.1/24"]}
        port.update(changes)
        heka.write_json(lab.path("core_map.json"), {
            "main_core": self.cpus[0], "workers": self.cpus[-1:], "force": True,
            "memory": {"pages": "normal"}, "lane_huge_pages": False, "ports": [port]})
        with open(lab.path("hekad.toml"), "w", encoding="utf-8") as file:
            text = CONFIG + sections
            file.write(text.replace("{dir}", lab.dir).replace("{profiles}", appliance.PROFILE_DIR))
        os.mkdir(lab.path("tmp"))
        self.command = ["taskset", "-c", ",".join(str(cpu) for cpu in self.cpus), heka.HEKAD,
                        "selftest", "-config", lab.path("hekad.toml")]
        self.environment = {**os.environ, "TMPDIR": lab.path("tmp")}

    def run(self, *options):
        """(exit status, standard output, standard error)"""
        done = subprocess.run([*self.command, *options], env=self.environment, timeout=120,
                              capture_output=True, text=True, check=False)
        self.assert_clean()
        return done.returncode, done.stdout, done.stderr

    def result(self, *options):
        """Of one that certifies, with all that must hold in any case."""
        code, out, err = self.run(*SHORT, *options)
        assert code == 0, out + err
        result = json.loads(out)
        assert result["certified"] is True and result["residual"] == 0, result
        assert all(trial["exact"] for trial in result["trials"])
        for stage in result["ledger"]:
            assert stage["residual"] == 0 and stage["in_flight"] == 0, stage
        return result

    def start(self, *options):
        return subprocess.Popen([*self.command, *options], env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def assert_clean(self):
        """No file, no socket, no output, nothing in base_dir."""
        assert os.listdir(self.lab.path("tmp")) == []
        assert not os.path.exists(self.lab.path("delivered.txt"))
        assert not os.path.exists(self.lab.path("base"))


def stage_of(result, name):
    return next(stage for stage in result["ledger"] if stage["stage"] == name)


@pytest.mark.skipif(len(CPUS) < 2, reason="vdev: two cores are needed to look for a rate")
def test_a_rate_is_found_and_confirmed(lab):
    box = Box(lab, STATSD, CPUS[:2])
    result = box.result("-precision=50%", "-loss=100%")
    trials = result["trials"]
    assert trials[0]["asked_packets_per_s"] is None
    assert len(trials) == 5 and all(trial["passed"] for trial in trials[1:])
    assert result["result"] == trials[-1]
    assert result["cores"] == {"workers": [CPUS[1]], "main": CPUS[0], "generator": CPUS[0],
                               "reader": CPUS[0], "shares_worker": False, "shares_main": True}
    assert result["traffic"] == {"kind": "statsd", "listener": "StatsdInput",
                                 "address": "192.0.2.1:8125", "port": "lan", "profile": "vhost",
                                 "queues": 1, "names": 10000, "payload_bytes": 1432}
    assert set(result["machine"]) == {"cpu", "cores", "cores_allowed", "kernel", "hypervisor",
                                      "governor", "huge_pages", "dpdk", "hop_ns"}
    assert result["machine"]["cores_allowed"] == 2
    assert result["machine"]["dpdk"].startswith("DPDK")
    assert len(result["digest"]) == 64
    assert stage_of(result, "frame")["in"] == result["result"]["sent"] > 0
    assert stage_of(result, "line")["in"] == stage_of(result, "sample")["ended"]
    assert any("counter_prefix" in note for note in result["notes"])


def test_one_core_shows_exactness_only(lab):
    result = Box(lab, STATSD).result("-traffic", "statsd-single")
    assert len(result["trials"]) == 1 and result["cores"]["shares_worker"]
    assert result["traffic"]["payload_bytes"] == 0
    assert stage_of(result, "line")["in"] == result["result"]["sent"]


def test_text(lab):
    result = Box(lab, LINES).result()
    assert result["traffic"]["kind"] == "text" and result["traffic"]["listener"] == "lines"
    assert stage_of(result, "text")["ends"]["text_messages"] == 10 * result["result"]["sent"]


def test_frames(lab):
    result = Box(lab, FRAMES).result("-traffic=text")
    assert stage_of(result, "message")["in"] == 5 * result["result"]["sent"]


def write_capture(path):
    """One datagram for the port, one for nobody; the destination's MAC address is another's."""
    frames = []
    for port in (8125, 9):
        payload = b"captured:1|c\n"
        udp = struct.pack("!HHHH", 1000, port, 8 + len(payload), 0) + payload
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                           bytes([192, 0, 2, 2]), bytes([192, 0, 2, 1]))
        total = sum(struct.unpack("!10H", head))
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        head = head[:10] + struct.pack("!H", total ^ 0xffff) + head[12:]
        frames.append(bytes(11) + b"\x09\x08\x00" + head + udp)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def test_capture(lab):
    box = Box(lab, STATSD)
    path = lab.path("some.pcap")
    write_capture(path)
    result = box.result("-traffic", path)
    ends = stage_of(result, "packet")["ends"]
    assert result["traffic"]["kind"] == "capture"
    assert ends["datagrams_statsd"] + ends["udp_no_listener"] == result["result"]["sent"]
    assert 0 <= ends["datagrams_statsd"] - ends["udp_no_listener"] <= 1
    with open(path, "wb") as file:
        file.write(b"no capture at all, whatever its name may say")
    code, out, err = box.run(*SHORT, "-traffic", path)
    assert code == 1 and json.loads(out)["certified"] is False
    assert "no capture of libpcap's classic format" in err


def test_a_table_that_is_full_is_said(lab):
    box = Box(lab, STATSD + "timer_samples_max = 1\n")
    code, out, _ = box.run(*SHORT)
    result = json.loads(out)
    assert code == 1 and result["certified"] is False and result["limit"] == "tables"
    assert result["trials"][0]["dropped"] > 0 and result["residual"] == 0
    assert "samples_no_timer_room" in result["trials"][0]["why"]


def test_a_real_port(lab):
    """Somebody else sends, and the books are looked at."""
    box = Box(lab, STATSD)
    selftest = box.start("-port=lan", "-seconds=60", "-json")
    try:
        heka.wait_for("the port's socket", lambda: os.path.exists(lab.path("lan.sock")), 60)
        blast = subprocess.run([BLAST, "--socket", lab.path("lan.sock"), "--no-huge", "--frames",
                                "2000", "--to", "192.0.2.1:8125", "--dst-mac", MAC],
                               capture_output=True, text=True, timeout=60, check=False)
        assert blast.returncode == 0, blast.stderr
        selftest.send_signal(signal.SIGINT)  # or 3 s without a frame
        out, err = selftest.communicate(timeout=60)
    finally:
        selftest.kill()
    result = json.loads(out)
    assert selftest.returncode == 0, out + err
    assert result["certified"] and result["traffic"]["kind"] == "external"
    assert stage_of(result, "frame")["in"] == 2000
    assert stage_of(result, "line")["in"] == json.loads(blast.stdout)["metrics"]
    box.assert_clean()


def test_interrupted(lab):
    box = Box(lab, STATSD)
    selftest = box.start("-seconds=60")
    try:
        heka.wait_for("a trial", lambda: any(
            os.path.exists(os.path.join(lab.path("tmp"), name, "blast.log"))
            for name in os.listdir(lab.path("tmp"))), 60)
        selftest.send_signal(signal.SIGINT)
        out, err = selftest.communicate(timeout=60)
    finally:
        selftest.kill()
    assert selftest.returncode == 1 and "interrupted" in err
    assert "NOT CERTIFIED: interrupted" in out and "at most" in out
    box.assert_clean()
    assert subprocess.run(["pgrep", "-f", lab.path("tmp")], check=False,
                          capture_output=True).returncode == 1


WRONG = (
    (["-seconds=0"], "-seconds: found '0', allowed 0.05"),
    (["-seconds=61"], "-seconds: found '61', allowed 0.05 to 60"),
    (["-precision=0"], "-precision: found '0', allowed 0.1 to 50 percent"),
    (["-loss=x"], "-loss: found 'x', allowed 0 to 100 percent"),
    (["-rate", "0"], "-rate: found '0', allowed 1"),
    (["-rate"], "-rate needs a value"),
    (["-port=lan", "-traffic=text"], "-traffic and -rate go without it"),
    (["-fast"], "option '-fast' is not known"),
    (["fast"], "argument 'fast' is not understood"),
)


def test_wrong_options(lab):
    box = Box(lab, STATSD)
    for options, text in WRONG:
        code, out, err = box.run(*options)
        assert code == 2 and text in err and out == "", (options, err)


def test_refusals(lab):
    box = Box(lab, STATSD)
    for options, text in ((["-port=wan"], "the core map has no port 'wan'"),
                          (["-traffic=text"], "the data plane has no such listener"),
                          (["-traffic=/no/such.pcap"], "No such file or directory"),
                          (["-config", lab.path("none.toml")], "none.toml")):
        code, _, err = box.run(*options)
        assert code == 1 and text in err, err
    with open(lab.path("agent.toml"), "w", encoding="utf-8") as file:
        file.write(f'[hekad]\nbase_dir = "{lab.dir}/base"\n' + STATSD)
    code, _, err = box.run("-config", lab.path("agent.toml"))
    assert code == 1 and "there is no data plane" in err
    code, out, err = box.run("-help")
    assert code == 0 and "-precision" in out and err == ""
    text = lab.read("hekad.toml")
    with open(lab.path("hekad.toml"), "w", encoding="utf-8") as file:
        file.write(text.replace("TRUE", "TRUE &&"))
    code, _, err = box.run()
    assert code == 1 and "hekad.toml" in err


def test_a_running_hekad_is_in_the_way(lab):
    box = Box(lab, STATSD)
    hekad = lab.process("hekad", [heka.HEKAD, "-config", lab.path("hekad.toml")],
                        environment=heka.environment(lab.dir))
    heka.wait_for("hekad", lambda: os.path.exists(lab.path("run", "hekad.sock")), 60, [hekad])
    done = subprocess.run(box.command, env=box.environment, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 1 and "stop it first" in done.stderr
    assert hekad.stop() == 0
