# SPDX-License-Identifier: MPL-2.0
# [option hekad.base_dir] [option dataplane.core_map] [option dataplane.program]
# [option dataplane.profile_dir] [option dataplane.run_dir]
"""appliance.py - hekad and heka-dataplane as a test starts them, and what their books say."""
import json
import os
import shutil
import socket
import subprocess

from namespace import PORT, PORT_IP4, PORT_IP6
from process import Process, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN_DIR = os.environ.get("HEKA_BIN_DIR", os.path.join(ROOT, "build", "dev", "bin"))
HEKAD = os.path.join(BIN_DIR, "hekad")
DATAPLANE = os.path.join(BIN_DIR, "heka-dataplane")
PROFILE_DIR = os.environ.get("HEKA_PROFILE_DIR", os.path.join(ROOT, "nic-profiles"))
START_S = 60
WINDOW = 256  # datagrams under way at once: a quarter of af_packet's ring


def core_map(**changes):
    """Of an appliance on the inner end of a Wire."""
    out = {"ports": [{"name": "lan", "profile": "af_packet", "device": PORT,
                      "addresses": [f"{PORT_IP4}/24", f"{PORT_IP6}/64"]}]}
    out.update(changes)
    return out


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
    return path


def environment(folder):
    """DPDK's runtime files (the telemetry socket) go to the test's folder."""
    made = os.path.join(folder, "runtime")
    os.makedirs(made, exist_ok=True)
    return {"RUNTIME_DIRECTORY": made, "XDG_RUNTIME_DIR": made}


class Appliance:
    """hekad with a data plane under it, in `namespace`. `sections` is the configuration behind
    [hekad] and [dataplane]; {dir} in it is the folder of the test. `hekad_options`: more lines of
    [hekad]."""

    def __init__(self, folder, namespace, sections, the_map=None, options=None,
                 dataplane_options=(), hekad_options=()):
        self.folder, self.namespace = folder, namespace
        self.process = None
        self.hekad_options = hekad_options
        self.run_dir = os.path.join(folder, "run")
        self.config = os.path.join(folder, "hekad.toml")
        write_json(os.path.join(folder, "core_map.json"), the_map or core_map())
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(self.head(options or {}, dataplane_options) +
                       sections.replace("{dir}", folder))

    def start(self):
        self.process = Process("hekad", self.namespace.command(HEKAD, "-config", self.config),
                               self.folder, environment(self.folder))
        self.wait("the data plane to run", lambda status: status["state"] == "running" and
                  status["dataplane"]["state"] == "running", START_S)

    def head(self, options, dataplane_options):
        """[dataplane] with `options`. A shell script in its place adds `dataplane_options`."""
        options = dict({"core_map": "core_map.json", "run_dir": self.run_dir,
                        "program": DATAPLANE, "profile_dir": PROFILE_DIR}, **options)
        if dataplane_options:
            options["program"] = os.path.join(self.folder, "dataplane.sh")
            with open(options["program"], "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\nexec {DATAPLANE} \"$@\" {' '.join(dataplane_options)}\n")
            os.chmod(options["program"], 0o755)
        return "\n".join(['[hekad]', 'hostname = "appliance"', f'base_dir = "{self.folder}/base"',
                          *self.hekad_options, '', '[dataplane]',
                          *(f'{name} = "{value}"' for name, value in options.items()), '', ''])

    def ask(self, command):
        """What hekad's socket answers, or None while it does not."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(30)
            try:
                client.connect(os.path.join(self.run_dir, "hekad.sock"))
                client.sendall(json.dumps({"command": command}).encode() + b"\n")
                with client.makefile("rb") as reply:
                    return json.loads(reply.readline() or "null")
            except (FileNotFoundError, ConnectionError):
                return None

    def status(self):
        return self.ask("status")

    def status_by_program(self, *options):
        """The same by `hekad status`, as its text."""
        return self.namespace.run("env", *(f"{name}={value}" for name, value in
                                           environment(self.folder).items()),
                                  HEKAD, "status", *options, "-run-dir", self.run_dir)

    def wait(self, what, check, timeout_s=90):
        """The first status of which check() is true."""
        def ask():
            status = self.status()
            return status if status is not None and check(status) else None
        try:
            return wait_for(what, ask, timeout_s, [self.process])
        except AssertionError as error:
            status = json.dumps(self.status(), indent=1)
            raise AssertionError(f"{error}\nstatus: {status}") from None

    def counters(self):
        return self.status()["dataplane"]["counters"]

    def consumer(self, name, status=None):
        status = status or self.status()
        return next(row for row in status["consumers"] if row["name"] == name)

    def settle(self, lines=None, what="everything to be aggregated, flushed and delivered"):
        """Waits until nothing is in flight, and returns that status: the books must balance."""
        def quiet(status):
            stages = {stage["stage"]: stage for stage in status["stages"]}
            return (not any(stage["in_flight"] for stage in stages.values()) and
                    not any(row["in_flight"] or row["held"] or row["queued"]
                            for row in status["consumers"]) and
                    (lines is None or
                     status["dataplane"]["counters"]["statsd_lines"] == lines))
        status = self.wait(what, quiet)
        assert_balanced(status)
        return status

    def stop(self):
        """SIGTERM, and a clean end."""
        code = self.process.stop()
        assert code == 0, f"hekad ended with {code}\n{self.process.logs()}"

    def close(self):
        if self.process is not None:
            self.process.close()


class DataPlane:
    """heka-dataplane alone, in `namespace` (None: in ours)."""

    def __init__(self, folder, namespace, plan, the_map=None, options=()):
        self.folder = folder
        self.prefix = "alone"
        the_map = dict(the_map or core_map(), file_prefix=self.prefix)
        words = [DATAPLANE, "--no-drop", "--profile-dir", PROFILE_DIR,
                 "--core-map", write_json(os.path.join(folder, "core_map.json"), the_map),
                 "--plan", write_json(os.path.join(folder, "plan.json"), plan),
                 "--run-dir", os.path.join(folder, "run"), *options]
        self.command = namespace.command(*words) if namespace else words
        self.process = None

    def start(self):
        self.process = Process("heka-dataplane", self.command, self.folder,
                               environment(self.folder))
        wait_for("the data plane to run", lambda: "data plane running: " in self.process.output(),
                 START_S, [self.process])

    def telemetry(self, command):
        """Asks DPDK's telemetry socket."""
        path = os.path.join(self.folder, "runtime", "dpdk", self.prefix, "dpdk_telemetry.v2")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(30)
            client.connect(path)
            client.recv(1 << 14)
            client.send(command.encode())
            return json.loads(client.recv(1 << 18))[command]

    def counters(self):
        return self.telemetry("/hekaline/counters")

    def wait(self, what, check, timeout_s=90):
        return wait_for(what, lambda: check(self.counters()), timeout_s, [self.process])

    def stop(self):
        code = self.process.stop()
        assert code == 0, f"heka-dataplane ended with {code}\n{self.process.logs()}"

    def close(self):
        if self.process is not None:
            self.process.close()


def assert_balanced(status):
    """Every stage and consumer, and what hangs together across them."""
    for stage in status["stages"]:
        assert stage["residual"] == 0, stage
    for row in status["consumers"]:
        assert row["residual"] == 0, row
        assert row["matched"] == row["read"] + row["in_flight"], row
        assert (row["read"] + row["recovered"] == row["delivered"] + sum(row["ends"].values()) +
                row["held"] + row["queued"]), row
    assert status["residual"] == 0, status


def send(sender, datagrams, target, counter="datagrams_statsd"):
    """Sends no faster than the data plane counts, so that the port's ring cannot overflow. The
    first datagram goes alone: until its address is known the kernel queues only a few."""
    start = target.counters()[counter]
    sent = 0
    while sent < len(datagrams):
        window = datagrams[sent:sent + (WINDOW if sent else 1)]
        for datagram in window:
            sender.send(datagram)
        sent += len(window)
        try:
            wait_for(f"{sent} of {len(datagrams)} datagrams to be taken",
                     lambda: target.counters()[counter] >= start + sent, 60, [target.process])
        except AssertionError as error:
            found = {name: value for name, value in target.counters().items() if value}
            raise AssertionError(f"{error}\nfrom {counter} {start}: {found}") from None
    end = target.counters()[counter]
    assert end == start + len(datagrams), f"{counter}: {end - start} of {len(datagrams)} sent"


def replay_command(command):
    """`command` is a replay: (messages, ledger, CompletedProcess)."""
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr.decode()}"
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return lines[:-1], lines[-1], done


def replay(pcap, *options):
    return replay_command([DATAPLANE, "--replay", pcap, "--profile-dir", PROFILE_DIR, *options])


def copy_tree(source, target):
    """A copy that any user may read; what was executable stays so."""
    for where, _, files in os.walk(source):
        there = os.path.join(target, os.path.relpath(where, source))
        os.makedirs(there, mode=0o755, exist_ok=True)
        os.chmod(there, 0o755)
        for name in files:
            copy = shutil.copy(os.path.join(where, name), there)
            os.chmod(copy, 0o755 if os.access(copy, os.X_OK) else 0o644)


def copy_programs(folder, hekad=False):
    """Copies that any user may run: (heka-dataplane, profile folder)."""
    os.chmod(folder, 0o755)
    bin_dir, profiles = os.path.join(folder, "bin"), os.path.join(folder, "nic-profiles")
    os.makedirs(bin_dir, mode=0o755)
    for program in [DATAPLANE] + ([HEKAD] if hekad else []):
        os.chmod(shutil.copy(program, bin_dir), 0o755)
    copy_tree(PROFILE_DIR, profiles)
    return os.path.join(bin_dir, "heka-dataplane"), profiles
