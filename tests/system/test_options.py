# SPDX-License-Identifier: MPL-2.0
"""Options of [hekad], and those that all plugins of a kind have: set to something else than the
default, and seen at work."""
import hmac
import json
import os
import re
import signal
import socket
import subprocess

import heka
from heka_wire import members

HEAD = """
[lines]
type = "UdpInput"
net = "unixgram"
address = "{dir}/lines.sock"
%s

[out]
type = "FileOutput"
message_matcher = "Type == 'lines'"
path = "{dir}/out.txt"
encoder = "encoder"

[encoder]
type = "%s"
"""


def send(lab, *lines, name="lines"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(lab.path("agent", f"{name}.sock"))
        for line in lines:
            out.send(line if isinstance(line, bytes) else line.encode())


def log(agent):
    return agent.process.output() + agent.process.output("err")


def wait_file(lab, name, text):
    path = lab.path("agent", name)
    heka.wait_for(f"'{text}' in {name}",
                  lambda: os.path.exists(path) and text in lab.read("agent", name))

OWN = """
[own]
type = "FileOutput"
message_matcher = "Type == 'heka.memstat'"
path = "{dir}/own.txt"
encoder = "encoder"
"""


def test_hekad(lab):
    """[option hekad.hostname] [option hekad.pid_file] [option hekad.max_message_size]"""
    agent = lab.agent("agent", HEAD % ("", "RstEncoder") + OWN, options={
        "hostname": "web1", "report_interval": 1, "pid_file": lab.path("own.pid"),
        "max_message_size": 2000})
    assert lab.read("own.pid").strip() == str(agent.process.pid)
    send(lab, "short", "x" * 3000)
    agent.wait("one, and one too many", lambda status: agent.stage("text", status)["ended"] >= 2)
    ends = agent.stage("text")["ends"]
    assert ends["text_messages"] == 1 and ends["text_oversized"] == 1
    wait_file(lab, "own.txt", ":Hostname: web1\n")
    agent.stop()
    assert not os.path.exists(lab.path("own.pid"))


def test_pid_file_of_a_living_process(lab):
    with open(lab.path("own.pid"), "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    with open(lab.path("hekad.toml"), "w", encoding="utf-8") as file:
        file.write(f'[hekad]\nbase_dir = "{lab.path("base")}"\npid_file = "{lab.path("own.pid")}"\n'
                   '[CounterFilter]\n')
    for options in (["-check"], []):
        done = subprocess.run([heka.HEKAD, "-config", lab.path("hekad.toml"), "-run-dir",
                               lab.path("run"), *options], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 1 and str(os.getpid()) in done.stderr, done


def test_log_flags(lab):
    """[option hekad.log_flags] 0 is no prefix, 4 a time with microseconds."""
    agent = lab.agent("agent", HEAD % ("", "RstEncoder"), options={"log_flags": 0})
    agent.stop()
    assert "\nShutdown complete.\n" in agent.process.output()
    agent = lab.agent("micro", HEAD % ("", "RstEncoder"), options={"log_flags": 4})
    agent.stop()
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{6} Shutdown complete\.$", agent.process.output(), re.M)


def test_without_effect(lab):
    """[option hekad.maxprocs] [option hekad.poolsize] [option hekad.plugin_chansize]
    [option hekad.cpuprof] [option hekad.memprof] [option hekad.max_pack_idle]
    [option hekad.sample_denominator] What has none is said."""
    options = {"maxprocs": 2, "poolsize": 10, "plugin_chansize": 5, "cpuprof": "/tmp/none",
               "memprof": "/tmp/none", "max_pack_idle": "1m", "sample_denominator": 10}
    agent = lab.agent("agent", HEAD % ("", "RstEncoder"), options=options)
    for name in options:
        assert f"{name} has no effect: " in log(agent), name
    agent.stop()


DECODED = """
[digits]
type = "PayloadRegexDecoder"
match_regex = '^(?P<number>[0-9]+)$'
[digits.message_fields]
number = "%%number%%"

[CounterFilter]
message_matcher = "Fields[number] == '12'"
ticker_interval = 1

[counts]
type = "FileOutput"
message_matcher = "Type == 'heka.counter-output'"
path = "{dir}/counts.txt"
encoder = "encoder"
"""


def test_decoding(lab):
    """[option inputs.decoder] [option inputs.synchronous_decode] [option decoders.type]
    [option inputs.log_decode_failures] [option filters.message_matcher]"""
    sections = HEAD % ('decoder = "digits"\nsynchronous_decode = true\nlog_decode_failures = %s',
                       "RstEncoder") + DECODED
    agent = lab.agent("agent", sections % "true")
    send(lab, "12", "x", "13")
    wait_file(lab, "out.txt", 'name:"number" type:string value:"13"')
    heka.wait_for("the failure in the log", lambda: "'lines'" in agent.process.output("err"))
    wait_file(lab, "counts.txt", ":Payload: Got 1 messages. ")
    os.kill(agent.process.pid, signal.SIGUSR1)
    heka.wait_for("a report", lambda: "    SynchronousDecode: true" in log(agent))
    agent.stop()
    quiet = lab.agent("quiet", sections.replace("lines.sock", "quiet.sock") % "false")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(lab.path("quiet", "quiet.sock"))
        out.send(b"x")
    quiet.wait("a failure", lambda status: quiet.stage("text", status)["ended"] == 1)
    quiet.stop()
    assert "'lines'" not in quiet.process.output("err")


def test_message_bytes(lab):
    """[option splitters.use_message_bytes] [option splitters.type] A datagram is a message, and
    what a stream has; the decoder that TcpInput has by itself takes no other records."""
    agent = lab.agent("agent", (HEAD % ('splitter = "raw"\ndecoder = "ProtobufDecoder"',
                                        "RstEncoder")).replace("Type == 'lines'",
                                                               "Type == 'TEST'") +
                      '[raw]\ntype = "NullSplitter"\nuse_message_bytes = true\n'
                      '[stream]\ntype = "TcpInput"\nnet = "unix"\nsplitter = "raw"\n'
                      'address = "{dir}/stream.sock"\n')
    uuid = bytes(range(16))
    message = b"\x0a\x10" + uuid + b"\x10\x80\x80\x80\x80\x80\x01\x1a\x04TEST"
    send(lab, message)
    wait_file(lab, "out.txt", ":Uuid: 00010203-0405-0607-0809-0a0b0c0d0e0f")
    with socket.socket(socket.AF_UNIX) as out:
        out.connect(lab.path("agent", "stream.sock"))
        out.sendall(message.replace(uuid, uuid[::-1]))
    wait_file(lab, "out.txt", ":Uuid: 0f0e0d0c-0b0a-0908-0706-050403020100")
    agent.stop()


SIGNED = """
[{name}]
type = "FileOutput"
message_matcher = "Type == 'lines'"
path = "{{dir}}/{name}.bin"
encoder = "encoder"
use_framing = true
[{name}.signer]
name = "agent"
hmac_key = "a key"
version = 7
"""


def test_signature(lab):
    """[option signer.hmac_hash] [option signer.name] [option signer.version]
    [option signer.hmac_key] In the header of each frame."""
    agent = lab.agent("agent", HEAD % ("", "ProtobufEncoder") + SIGNED.format(name="plain") +
                      SIGNED.format(name="other") + 'hmac_hash = "sha1"\n')
    send(lab, "a line")
    agent.wait("both", lambda status: all(
        agent.consumer(name, status)["delivered"] == 1 for name in ("plain", "other")))
    agent.stop()
    for name, number, digest in (("plain", 0, "md5"), ("other", 1, "sha1")):
        with open(lab.path("agent", f"{name}.bin"), "rb") as file:
            frame = file.read()
        body = 2 + frame[1]
        header = dict(members(frame[2:body]))
        message = frame[body + 1:]
        assert header.get(3, 0) == number and header[4] == b"agent" and header[5] == 7, name
        assert header[6] == hmac.digest(b"a key", message, digest), name


SLOW = """
[slow]
type = "TcpOutput"
message_matcher = "Type == 'lines'"
address = "127.0.0.1:%d"
use_buffering = false
lane_policy = "drop"
encoder = "encoder"
"""


def test_lane_policy(lab):
    """[option outputs.lane_policy] One that cannot deliver loses its oldest; the other gets all,
    and the input does not wait."""
    port = heka.free_port(socket.SOCK_STREAM)
    agent = lab.agent("agent", HEAD % ("", "PayloadEncoder") + SLOW % port)
    send(lab, *["x" * 8000] * 1000)
    status = agent.wait("all of them at the other", lambda status: agent.consumer(
        "out", status)["delivered"] == 1000)
    slow = agent.consumer("slow", status)
    assert slow["ends"]["lane_drop"] > 500 and slow["delivered"] == slow["residual"] == 0, slow
    agent.process.stop()


def keepalive_timers(port):
    """Of connections to a port of ours: seconds until the next probe."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    ticks = os.sysconf("SC_CLK_TCK")
    return [int(row[5].split(":")[1], 16) / ticks for row in rows
            if row[1].endswith(f":{port:04X}") and row[3] == "01" and row[5].startswith("02")]


def test_keep_alive(lab):
    """[option TcpInput.keep_alive] [option TcpInput.keep_alive_period]"""
    port = heka.free_port(socket.SOCK_STREAM)
    sections = ('[tcp]\ntype = "TcpInput"\nnet = "tcp4"\naddress = "127.0.0.1:%d"\n'
                'splitter = "TokenSplitter"\ndecoder = ""\nkeep_alive = true\n'
                'keep_alive_period = 77\n' % port)
    agent = lab.agent("agent", HEAD % ("", "PayloadEncoder") + sections)
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.send(b"x\n")
        timers = heka.wait_for("a timer", lambda: keepalive_timers(port))
        assert 60 < timers[0] <= 77.5, timers
    agent.stop()


def test_check_as_json(lab):
    """`hekad -check -json`: errors with their places, and the exit status."""
    config = lab.path("hekad.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f'[hekad]\nbase_dir = "{lab.path("base")}"\npid_file = "/nowhere/at/all.pid"\n'
                   '[UdpInput]\naddress = "127.0.0.1:0"\n')

    def check():
        return subprocess.run([heka.HEKAD, "-check", "-json", "-config", config, "-run-dir",
                               lab.path("run")], capture_output=True, text=True, timeout=60,
                              check=False)
    done = check()
    answer = json.loads(done.stdout)
    assert done.returncode == 1 and not answer["ok"] and answer["config"] == config
    assert [row["text"] for row in answer["errors"]] == [
        "pid_file /nowhere/at/all.pid: No such file or directory"]
    with open(config, "a", encoding="utf-8") as file:
        file.write("nonsense = 1\n")
    answer = json.loads(check().stdout)
    assert answer["errors"][0] == {"file": config, "line": 6,
                                   "text": "unknown config setting for 'UdpInput': nonsense"}


def test_top_and_plugins(lab):
    agent = lab.agent("agent", HEAD % ("", "PayloadEncoder"))
    send(lab, "one")
    agent.wait("it", lambda status: agent.consumer("out", status)["delivered"] == 1)
    text = subprocess.run([heka.HEKAD, "top", "-n", "2", "-interval", "0", "-run-dir",
                           agent.run_dir], capture_output=True, text=True, timeout=60,
                          check=True).stdout
    assert text.count("data plane none") == 2
    assert re.search(r"^out +FileOutput +1 ", text, re.M), text
    listed = subprocess.run([heka.HEKAD, "plugins", "-config", agent.config],
                            capture_output=True, text=True, timeout=60, check=True).stdout
    assert re.search(r"^UdpInput +Input +1 +hekad$", listed, re.M)
    agent.stop()


SCRIPT = """
function process_message()
    inject_payload("txt", "first", read_message("Payload"))
    inject_payload("txt", "second", read_message("Payload"))
    return 0
end

function timer_event(ns)
    for i = 1, 12 do inject_payload("txt", "tick", i) end
end
"""

SANDBOX = """
[twice]
type = "SandboxFilter"
filename = "lua_filters/twice.lua"
message_matcher = "Type == 'lines'"
ticker_interval = %d

[injected]
type = "FileOutput"
message_matcher = "Logger == 'twice' || Type == 'heka.sandbox-terminated'"
path = "{dir}/injected.txt"
encoder = "encoder"
"""


def test_sandbox_limits(lab):
    """[option hekad.share_dir] [option hekad.max_process_inject] [option hekad.max_timer_inject]
    The script is found in share_dir; it injects as much as these allow, and no more."""
    os.makedirs(lab.path("share", "lua_filters"))
    with open(lab.path("share", "lua_filters", "twice.lua"), "w", encoding="utf-8") as file:
        file.write(SCRIPT)
    options = {"share_dir": lab.path("share"), "max_process_inject": 2, "max_timer_inject": 12}
    sections = HEAD % ("", "RstEncoder") + SANDBOX
    agent = lab.agent("agent", sections % 1, options=options)
    send(lab, "one")
    wait_file(lab, "injected.txt", 'value:"second"')
    heka.wait_for("the ticks",
                  lambda: lab.read("agent", "injected.txt").count('value:"tick"') >= 12)
    assert "heka.sandbox-terminated" not in lab.read("agent", "injected.txt")
    agent.stop()
    agent = lab.agent("less", sections.replace("lines.sock", "less.sock") % 0,
                      options={"share_dir": lab.path("share")})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(lab.path("less", "less.sock"))
        out.send(b"one")
    heka.wait_for("its end", lambda: os.path.exists(lab.path("less", "injected.txt")) and
                  "heka.sandbox-terminated" in lab.read("less", "injected.txt"))
    agent.stop()
