# SPDX-License-Identifier: MPL-2.0
"""Log servers: how each is found, configured and started to take syslog lines at a port and to
write the text of each message, a line each, into `folder`/out."""
import os
import shutil

OUT = "out"
UNPACKED = "/opt/hekaline-senders"  # where deploy/install-deps test unpacks the two


class LogServer:
    """One server. Subclasses set `name`, `programs`, `install`, and command()."""

    name = ""
    programs = ()
    install = ""
    kinds = ("lines-tcp", "lines-udp")

    def find(self, override=None):
        """Path of the program, or None."""
        for path in [override] if override else map(shutil.which, self.programs):
            if path and os.access(path, os.X_OK):
                return path
        return None

    def command(self, program, folder, port, transport):
        """Writes the configuration into `folder`; returns the command line."""
        raise NotImplementedError

    def environment(self, program):
        del program
        return {}


def _unpacked_root(program, *below):
    """Folder of libraries beside a program that was unpacked and not installed, or None."""
    path = os.path.join(os.path.dirname(program), "..", *below)
    return os.path.realpath(path) if program.startswith(UNPACKED) else None


class Rsyslog(LogServer):
    name = "rsyslog"
    programs = (f"{UNPACKED}/rsyslog/usr/sbin/rsyslogd", "rsyslogd")
    install = "deploy/install-deps test"

    def command(self, program, folder, port, transport):
        module, more = ("imtcp", "") if transport == "tcp" else (
            "imudp", ' batchSize="128" timeRequery="8"')
        config = folder / "rsyslog.conf"
        config.write_text(
            f'global(workDirectory="{folder}")\nmodule(load="{module}"{more})\n'
            'template(name="text" type="string" string="%msg:2:$%\\n")\n'
            f'input(type="{module}" port="{port}" ruleset="all")\n'
            'ruleset(name="all" queue.type="FixedArray" queue.size="200000" '
            'queue.dequeueBatchSize="1024" queue.timeoutEnqueue="600000") {\n'
            f' action(type="omfile" file="{folder}/{OUT}" template="text" ioBufferSize="256k" '
            'flushOnTXEnd="on")\n}\n')
        modules = _unpacked_root(program, "lib/x86_64-linux-gnu/rsyslog")
        return [program, "-n", "-f", config, "-i", folder / "pid",
                *(["-M", modules] if modules else [])]


class SyslogNg(LogServer):
    name = "syslog-ng"
    programs = (f"{UNPACKED}/syslog-ng-core/usr/sbin/syslog-ng", "syslog-ng")
    install = "deploy/install-deps test"

    def command(self, program, folder, port, transport):
        more = ("max-connections(10) log-iw-size(20000) log-fetch-limit(2000)"
                if transport == "tcp" else "so-rcvbuf(16777216) log-iw-size(200000)")
        config = folder / "syslog-ng.conf"
        config.write_text(
            "@version: 3.38\noptions { stats-freq(0); threaded(yes); keep-hostname(yes); "
            "use-dns(no); chain-hostnames(no); flush-lines(1000); };\n"
            f'source in {{ network(ip("127.0.0.1") port({port}) transport("{transport}") '
            f"{more}); }};\n"
            f'destination out {{ file("{folder}/{OUT}" template("$MSG\\n") '
            "log-fifo-size(400000)); };\n"
            f"log {{ source(in); destination(out); "
            f"{'flags(flow-control);' if transport == 'tcp' else ''} }};\n")
        libraries = _unpacked_root(program, "lib/syslog-ng")
        return [program, "--foreground", "--no-caps", f"--cfgfile={config}",
                f"--persist-file={folder}/persist", f"--pidfile={folder}/pid",
                f"--control={folder}/control",
                *([f"--module-path={libraries}/3.38"] if libraries else [])]

    def environment(self, program):
        libraries = _unpacked_root(program, "lib/syslog-ng")
        return {"LD_LIBRARY_PATH": libraries} if libraries else {}


class Agent(LogServer):
    """Hekaline as an agent: kernel sockets, like the others."""

    name = "hekaline-agent"
    programs = ("hekad",)
    install = "build this"

    def command(self, program, folder, port, transport):
        config = folder / "hekad.toml"
        config.write_text(
            f'[hekad]\nbase_dir = "{folder}/base"\n[in]\n'
            f'type = "{"TcpInput" if transport == "tcp" else "UdpInput"}"\n'
            f'address = "127.0.0.1:{port}"\ndecoder = "syslog"\n'
            + ('splitter = "TokenSplitter"\n' if transport == "tcp" else "")
            + '[syslog]\ntype = "SyslogDecoder"\n[text]\ntype = "PayloadEncoder"\n'
            f'append_newlines = true\n[out]\ntype = "FileOutput"\npath = "{folder}/{OUT}"\n'
            'message_matcher = "TRUE"\nencoder = "text"\nflush_count = 100000\n')
        return [program, "-config", config, "-run-dir", folder / "run"]


LOG_SERVERS = [Agent(), Rsyslog(), SyslogNg()]
