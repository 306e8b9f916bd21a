# SPDX-License-Identifier: MPL-2.0
"""How each statsd server is found, configured and started, and what it calls a counter.

Every server gets the same: a UDP address for statsd lines, an interval of one second, and a Carbon
address that it sends its flush to. An adapter says how, and by which pattern a line of its flush is
a counter's sum of the interval; `name` in the pattern is the name that was sent.
"""
import json
import os
import shutil
from pathlib import Path


class Peer:
    """One server. Subclasses set `name`, `programs`, `install`, `counter`, and command()."""

    name = ""
    programs = ()     # any of these on PATH
    install = ""      # how to get it
    counter = r"(?P<name>.+)"
    variants = {"": {}}  # configurations to try: more arguments of command()
    kinds = ("packed", "single")
    by_port = False   # traffic comes through a port of the data plane, not through a socket
    clean = staticmethod(lambda sent: sent)  # the name that the server makes of a name

    def find(self, override=None):
        """Path of the program, or None."""
        if override:
            return override if os.access(override, os.R_OK) else None
        return next((path for path in map(shutil.which, self.programs) if path), None)

    def command(self, program, folder, statsd, carbon):
        """Writes the configuration into `folder`; returns the command line."""
        raise NotImplementedError


class Statsd(Peer):
    name = "statsd"
    programs = ("statsd",)
    install = "npm install statsd; --program statsd=.../node_modules/statsd/stats.js"
    counter = r"stats\.counters\.(?P<name>.+)\.count"

    def command(self, program, folder, statsd, carbon):
        config = folder / "statsd.json"
        config.write_text(json.dumps({
            "port": statsd, "address": "127.0.0.1", "mgmt_port": statsd + 1,
            "mgmt_address": "127.0.0.1", "backends": ["./backends/graphite"],
            "graphiteHost": "127.0.0.1", "graphitePort": carbon, "flushInterval": 1000,
            "deleteIdleStats": True, "graphite": {"legacyNamespace": False}}))
        node = ["node"] if str(program).endswith(".js") else []
        return [*node, program, str(config)]


class Brubeck(Peer):
    name = "brubeck"
    programs = ("brubeck",)
    install = "build github.com/github/brubeck"
    # A receive call that brings fewer datagrams than asked for has the rest of the buffers parsed
    # again: that is a packet_drop event in its log for each, and no loss. A lower multimsg has
    # less of that, a higher one fewer calls.
    variants = {f"multimsg-{count}": {"multimsg": count} for count in (1, 8, 32, 128)}

    def command(self, program, folder, statsd, carbon, multimsg):
        config = folder / "brubeck.json"
        config.write_text(json.dumps({
            "sharding": False, "server_name": "brubeck", "capacity": 21, "expire": 0,
            "dumpfile": str(folder / "dump"),
            "backends": [{"type": "carbon", "address": "127.0.0.1", "port": carbon,
                          "frequency": 1}],
            "samplers": [{"type": "statsd", "address": "127.0.0.1", "port": statsd, "workers": 1,
                          "multisock": False, "multimsg": multimsg}]}))
        return [program, "--log", "/dev/null", "--config", str(config)]


class Statsite(Peer):
    name = "statsite"
    programs = ("statsite",)
    install = "build github.com/statsite/statsite"
    counter = r"counts\.(?P<name>.+)"

    def command(self, program, folder, statsd, carbon):
        config = folder / "statsite.ini"
        sink = (f"awk -F'|' '{{print $1, $2, $3}}' | timeout 5 bash -c "
                f"'cat >/dev/tcp/127.0.0.1/{carbon}'")
        config.write_text(f"[statsite]\nport = 0\nudp_port = {statsd}\nbind_address = 127.0.0.1\n"
                          f"flush_interval = 1\nlog_level = WARN\nstream_cmd = {sink}\n")
        return [program, "-f", str(config)]


class Collectd(Peer):
    name = "collectd"
    programs = ("collectd",)
    install = "apt-get install collectd-core"
    counter = r"[^.]+\.statsd\.count-(?P<name>.+)"
    clean = staticmethod(lambda sent: sent.replace(".", "_"))

    def command(self, program, folder, statsd, carbon):
        config = folder / "collectd.conf"
        config.write_text(
            f'BaseDir "{folder}"\nPIDFile "{folder}/pid"\nHostname "h"\nFQDNLookup false\n'
            f"Interval 1\nTypesDB \"/usr/share/collectd/types.db\"\n"
            f"LoadPlugin statsd\nLoadPlugin write_graphite\n"
            f'<Plugin statsd>\n Host "127.0.0.1"\n Port "{statsd}"\n CounterSum true\n'
            f" DeleteCounters true\n DeleteGauges true\n DeleteTimers true\n</Plugin>\n"
            f'<Plugin write_graphite>\n <Node "n">\n  Host "127.0.0.1"\n  Port "{carbon}"\n'
            f'  Protocol "tcp"\n  EscapeCharacter "_"\n </Node>\n</Plugin>\n')
        return [program, "-f", "-C", str(config)]


class Gostatsd(Peer):
    name = "gostatsd"
    programs = ("gostatsd",)
    install = "go install github.com/atlassian/gostatsd/cmd/gostatsd@latest"
    counter = r"stats\.counters\.(?P<name>.+)\.count(;.*)?"

    def command(self, program, folder, statsd, carbon):
        config = folder / "gostatsd.toml"
        config.write_text(f'[graphite]\naddress = "127.0.0.1:{carbon}"\nmode = "basic"\n')
        return [program, "--metrics-addr", f"127.0.0.1:{statsd}", "--backends", "graphite",
                "--flush-interval", "1s", "--expiry-interval", "1ms", "--config-path", str(config),
                "--web-addr", ""]


class Telegraf(Peer):
    name = "telegraf"
    programs = ("telegraf",)
    install = "the vendor's package"
    counter = r"(?P<name>[^.]+)\.counter\.value"
    clean = staticmethod(lambda sent: sent.replace(".", "_"))

    def command(self, program, folder, statsd, carbon):
        config = folder / "telegraf.toml"
        config.write_text(
            '[agent]\ninterval = "1s"\nflush_interval = "1s"\nomit_hostname = true\n'
            "metric_buffer_limit = 2000000\nmetric_batch_size = 10000\n"
            f'[[inputs.statsd]]\nprotocol = "udp"\nservice_address = "127.0.0.1:{statsd}"\n'
            "delete_counters = true\nallowed_pending_messages = 100000\n"
            f'[[outputs.graphite]]\nservers = ["127.0.0.1:{carbon}"]\n'
            'template = "measurement.tags.field"\n')
        return [program, "--config", str(config)]


class Vector(Peer):
    name = "vector"
    programs = ("vector",)
    install = "the vendor's package"
    counter = r"(?P<name>.+)"

    def command(self, program, folder, statsd, carbon):
        config = folder / "vector.toml"
        config.write_text(
            f'data_dir = "{folder}"\n[sources.in]\ntype = "statsd"\nmode = "udp"\n'
            f'address = "127.0.0.1:{statsd}"\n[transforms.sum]\ntype = "aggregate"\n'
            'inputs = ["in"]\ninterval_ms = 1000\n[transforms.logs]\ntype = "metric_to_log"\n'
            'inputs = ["sum"]\n[transforms.line]\ntype = "remap"\ninputs = ["logs"]\n'
            f"source = '''\nif exists(.counter) {{ .message = to_string!(.name) + \" \" + "
            f"to_string!(.counter.value) + \" 0\" }} else {{ abort }}\n'''\n"
            f'[sinks.out]\ntype = "socket"\ninputs = ["line"]\nmode = "tcp"\n'
            f'address = "127.0.0.1:{carbon}"\nencoding.codec = "text"\n')
        return [program, "--config", str(config)]


class Hekad(Peer):
    """Hekaline itself as an agent: the kernel's sockets, no data plane, like all the others."""

    name = "hekaline-agent"
    programs = ("hekad",)
    install = "build this"
    counter = r"stats\.counters\.(?P<name>.+)\.count"

    def command(self, program, folder, statsd, carbon):
        config = folder / "hekad.toml"
        config.write_text(
            f'[hekad]\nbase_dir = "{folder}/base"\n'
            f'[StatsdInput]\naddress = "127.0.0.1:{statsd}"\nmax_msg_size = 8192\n'
            "[StatAccumInput]\nticker_interval = 1\ndelete_idle_stats = true\n"
            f'[CarbonOutput]\nmessage_matcher = "Type == \'heka.statmetric\'"\n'
            f'address = "127.0.0.1:{carbon}"\nprotocol = "tcp"\n')
        return [program, "-config", config, "-run-dir", Path(folder) / "run"]


class Hekaline(Hekad):
    """With its data plane: peers/by_port.py."""

    name = "hekaline"
    by_port = True


PEERS = [Hekaline(), Hekad(), Brubeck(), Statsite(), Statsd(), Collectd(), Gostatsd(), Telegraf(),
         Vector()]
