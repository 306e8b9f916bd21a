# SPDX-License-Identifier: MPL-2.0
"""scripts.py - runs the scripts of this folder against one stack (README.md)."""
import glob
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BIN_DIR = os.environ.get("HEKA_BIN_DIR", os.path.join(ROOT, "build", "dev", "bin"))
SCRIPTS = sorted(glob.glob(os.path.join(HERE, "*.script")))
BOTH_MIN = 60
TIMEOUT_S = 120


def run(stack, *before):
    """{file name: "ok", "other" or what is wrong}"""
    done = subprocess.run([*before, os.path.join(BIN_DIR, "tcp_script"), stack, *SCRIPTS],
                          capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
                          stdin=subprocess.DEVNULL)
    out = {}
    for line in done.stdout.splitlines():
        state, _, rest = line.partition(" ")
        name, _, text = rest.partition(": ")
        out[name] = state if state in ("ok", "other") else text
    assert sorted(out) == [os.path.basename(path) for path in SCRIPTS], done.stderr
    assert (done.returncode == 0) == all(text in ("ok", "other") for text in out.values())
    return out


def check(found):
    wrong = [f"{name}: {text}" for name, text in found.items() if text not in ("ok", "other")]
    assert not wrong, "\n".join(wrong)
    assert sum(text == "ok" for text in found.values()) >= BOTH_MIN
