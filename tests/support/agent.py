# SPDX-License-Identifier: MPL-2.0
"""agent.py - hekad without a data plane, in our own network namespace or another one, as any user
may run it."""
import os
import socket

from appliance import HEKAD, Appliance, environment
from process import Process


class Here:
    """Our own network namespace, as namespace.py has others."""

    @staticmethod
    def command(*words):
        return [str(word) for word in words]

    @staticmethod
    def socket(family, kind):
        return socket.socket(family, kind)


class Agent(Appliance):
    """`name` is the folder under the test's. {dir} in `sections` is that folder."""

    def __init__(self, folder, name, sections, options=None, namespace=Here):
        self.name = name
        self.options = options or {}
        made = os.path.join(folder, name)
        os.makedirs(made)
        super().__init__(made, namespace, sections, the_map={"unused": True})

    def head(self, options, dataplane_options):
        lines = {"hostname": "agent", "base_dir": f"{self.folder}/base", **self.options}
        return "\n".join(["[hekad]", *(f"{name} = {value!r}" if isinstance(value, int) else
                                       f'{name} = "{value}"' for name, value in lines.items()),
                          "", ""])

    def rewrite(self, sections):
        """Another configuration, for a reload."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(self.head({}, ()) + sections.replace("{dir}", self.folder))

    def start(self):
        command = self.namespace.command(HEKAD, "-config", self.config, "-run-dir", self.run_dir)
        self.process = Process(self.name, command, self.folder, environment(self.folder))
        self.wait("hekad to run", lambda status: status["state"] == "running" and
                  all(name in self.process.output() for name in
                      (f"Input started: {row['name']}" for row in status["inputs"])), 60)

    def input(self, name, status=None):
        """Its own counters."""
        status = status or self.status()
        return next(row for row in status["inputs"] if row["name"] == name)["plugin"]

    def stage(self, name, status=None):
        status = status or self.status()
        return next((stage for stage in status["stages"]
                     if stage["process"] == "hekad" and stage["stage"] == name),
                    {"in": 0, "ended": 0, "in_flight": 0, "residual": 0, "ends": {}})


def free_port(kind=socket.SOCK_DGRAM):
    """One that nobody had just now, on the loopback."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
