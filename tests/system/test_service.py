# SPDX-License-Identifier: MPL-2.0
"""As a service: what systemd is told, completion of the command line, manual pages."""
import os
import socket
import subprocess
import sys

import heka

DEPLOY = os.path.join(heka.ROOT, "deploy")


def test_what_systemd_is_told(lab):
    path = lab.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(path)
        told.settimeout(60)
        os.environ["NOTIFY_SOCKET"] = path
        os.environ["WATCHDOG_USEC"] = "200000"
        try:
            agent = lab.agent("agent", "[CounterFilter]\n")
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]

        def wait_for(*texts):
            """Messages up to one that begins with the last of them; all have to come."""
            left = list(texts)
            while left:
                message = told.recv(4096).decode()
                if message.startswith(left[0]):
                    left.pop(0)
        wait_for("READY=1\nSTATUS=running, generation 1", "WATCHDOG=1", "WATCHDOG=1")
        assert agent.ask("reload")["ok"]
        wait_for("RELOADING=1\nMONOTONIC_USEC=", "READY=1\nSTATUS=running, generation 2",
                 "WATCHDOG=1")
        agent.stop()
        wait_for("STOPPING=1")


def complete(*words):
    """What bash offers for the last word."""
    script = (f"source {DEPLOY}/completion/hekad.bash\nCOMP_WORDS=({' '.join(map(repr, words))})\n"
              f"COMP_CWORD={len(words) - 1}\n_hekad\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n")
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60,
                          check=True).stdout.split()


def test_completion(lab):
    help_text = subprocess.run([heka.HEKAD, "-help"], capture_output=True, text=True, timeout=60,
                               check=True).stdout
    commands = [word for word in complete("hekad", "") if not word.startswith("-")]
    assert {"status", "top", "plugins", "queue"} <= set(commands)
    assert all(f"hekad {word}" in help_text for word in commands)
    assert complete("hekad", "st") == ["status", "stop"]
    assert complete("hekad", "status", "-r") == ["-rules", "-run-dir"]
    assert complete("hekad", "queue", "v") == ["verify"]
    open(lab.path("some.toml"), "w", encoding="utf-8").close()
    assert complete("hekad", "-config", lab.path("so")) == [lab.path("some.toml")]


def test_manual(lab):
    def roff(*arguments):
        subprocess.run([sys.executable, os.path.join(DEPLOY, "man.py"), *arguments,
                        lab.path("page")], check=True, timeout=60)
        return lab.read("page")
    page = roff(os.path.join(heka.ROOT, "docs", "man", "hekad.md"))
    assert page.startswith('.TH HEKAD 8 "" "Hekaline"\n') and ".SH SYNOPSIS\n" in page
    assert "\n.IP \\(bu 3\n\\fB\\-config PATH\\fR: " in page
    assert not any(line.startswith("'") for line in page.split("\n"))
    options = roff("-options", heka.HEKAD)
    assert "\n.SS UdpInput\n" in options
    assert "\n\\fBset_hostname\\fR\nAllowed: true or false; Default: \\fBfalse\\fR; " in options
