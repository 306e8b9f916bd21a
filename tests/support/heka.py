# SPDX-License-Identifier: MPL-2.0
"""heka.py - what a system test uses: a Lab with a folder of its own, in which it makes wires, a
carbon-cache and appliances, and which ends all of it, last made first."""
import contextlib
import os
import shutil
import subprocess
import tempfile

import pytest

# What the tests of tests/system take from here.
from agent import Agent, Here, free_port  # noqa: F401
from appliance import (DATAPLANE, HEKAD, ROOT, Appliance, DataPlane, assert_balanced,  # noqa: F401
                       copy_programs, copy_tree, core_map, environment, replay, replay_command,
                       send, write_json)
from carbon import CARBON_CACHE, Carbon
from namespace import (PEER, PEER_IP4, PEER_IP6, PORT, PORT_IP4, PORT_IP6,  # noqa: F401
                       Wire)
from process import Process, run, wait_for  # noqa: F401
from statsd_model import Model, as_sent, pack  # noqa: F401

NO_NAMESPACES = os.environ.get("HEKA_NO_NAMESPACES")
needs_namespaces = pytest.mark.skipif(NO_NAMESPACES is not None, reason=f"netns: {NO_NAMESPACES}")
needs_carbon = pytest.mark.skipif(not os.path.exists(CARBON_CACHE),
                                  reason="real: graphite-carbon is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0 or open("/proc/self/uid_map").read().split() !=
                                ["0", "0", "4294967295"],
                                reason="only root can become another user")


class Lab:
    def __init__(self):
        # Short, because paths of UNIX sockets are; not under pytest's folder for that reason.
        self.dir = tempfile.mkdtemp(prefix="heka-", dir="/tmp")
        self.stack = contextlib.ExitStack()
        self.stack.callback(shutil.rmtree, self.dir, ignore_errors=True)

    def keep(self, made):
        """Starts it; ends it in any case, also when the start fails."""
        self.stack.callback(made.close)
        made.start()
        return made

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def wire(self, **options):
        return self.keep(Wire(self.dir, **options))

    def carbon(self, namespace, step_s):
        return self.keep(Carbon(self.dir, namespace, step_s))

    def appliance(self, namespace, sections, **options):
        return self.keep(Appliance(self.dir, namespace, sections, **options))

    def agent(self, name, sections, **options):
        return self.keep(Agent(self.dir, name, sections, **options))

    def dataplane(self, namespace, plan, **options):
        return self.keep(DataPlane(self.dir, namespace, plan, **options))

    def process(self, name, command, **options):
        made = Process(name, command, self.dir, **options)
        self.stack.callback(made.close)
        return made

    def check(self, sections):
        """Exit status of `hekad -check`, and all that it says."""
        path = self.path("check.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'[hekad]\nbase_dir = "{self.dir}/base"\n' +
                       sections.replace("{dir}", self.dir))
        done = subprocess.run([HEKAD, "-check", "-config", path, "-run-dir", self.path("run")],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def read(self, *names):
        with open(self.path(*names), encoding="utf-8") as file:
            return file.read()

    def close(self):
        self.stack.close()
