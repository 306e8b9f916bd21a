# SPDX-License-Identifier: MPL-2.0
"""Plugins of shared objects: the example, built against the installed headers, at work; and what is
refused."""
import os
import subprocess

import native
import pytest

import heka

EXAMPLE = os.path.join(heka.ROOT, "examples", "native-plugin")

# What the example's own configuration file says, in the lab's folder.
SECTIONS = """
[ClockInput]
interval = "20ms"
text = "one,two,three"
splitter = "CommaSplitter"
decoder = "ShoutDecoder"

[CommaSplitter]

[ShoutDecoder]

[EveryNthFilter]
message_matcher = "Type == 'ClockInput'"
n = 3

[BracketEncoder]

[AppendOutput]
message_matcher = "Type == 'ClockInput'"
path = "{dir}/all.txt"
encoder = "BracketEncoder"

[samples]
type = "AppendOutput"
message_matcher = "Type == 'example.sample'"
path = "{dir}/samples.txt"
encoder = "BracketEncoder"
"""


def test_the_example_works(lab):
    """[option hekad.plugin_dir]"""
    include = native.install_headers(lab.path("prefix"))
    folder = lab.path("plugins")
    os.makedirs(folder)
    native.run("make", "-C", folder, "-f", os.path.join(EXAMPLE, "Makefile"), f"VPATH={EXAMPLE}",
               f"PREFIX={lab.path('prefix')}", "CFLAGS=-O1 -Werror")
    assert os.path.exists(os.path.join(include, "hekaline.h"))
    agent = lab.agent("agent", SECTIONS, options={"plugin_dir": folder})
    status = agent.wait("thirty records", lambda status: agent.consumer(
        "AppendOutput", status)["delivered"] >= 30)
    assert agent.input("ClockInput", status)["ticks"] >= 10
    heka.assert_balanced(agent.status())
    agent.stop()
    lines = lab.read("agent", "all.txt").split("\n")
    assert lines[:6] == ["[ONE]", "[TWO]", "[THREE]"] * 2, lines[:6]
    samples = lab.read("agent", "samples.txt").split()
    assert set(samples) == {"[THREE]"} and len(samples) == (len(lines) - 1) // 3


@pytest.mark.parametrize("flag, text", [
    ("BAD_ABI", "made for plugin ABI 8; this hekad has 1"),
    ("BAD_TYPE_ABI", "type 0 is made for plugin ABI 8; this hekad has 1"),
    ("BAD_SIZE", "'FailInput': its ops struct has "),
    ("BAD_NAME", "'Failing': a type's name ends in Input, Splitter, "),
    ("TAKEN_NAME", "'UdpInput': there is a type of that name already"),
    ("NO_RUN", "'FailInput': no function 'run'"),
    ("NO_TABLE", "no symbol heka_plugins: it is no plugin"),
])
def test_refused(lab, flag, text):
    folder = native.build_fail(lab, "bad.so", f"-D{flag}")
    config = lab.path("hekad.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f'[hekad]\nbase_dir = "{lab.path("base")}"\nplugin_dir = "{folder}"\n'
                   '[CounterFilter]\n')
    done = subprocess.run([heka.HEKAD, "-config", config, "-run-dir", lab.path("run"), "-check"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"{folder}/bad.so: {text}" in done.stderr, done.stderr


def test_no_library_and_no_folder(lab):
    folder = lab.path("plugins")
    os.makedirs(folder)
    with open(os.path.join(folder, "text.so"), "w", encoding="utf-8") as file:
        file.write("no library")
    config = lab.path("hekad.toml")

    def check(plugin_dir):
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'[hekad]\nbase_dir = "{lab.path("base")}"\nplugin_dir = "{plugin_dir}"\n'
                       '[CounterFilter]\n')
        done = subprocess.run([heka.HEKAD, "-config", config, "-run-dir", lab.path("run"),
                               "-check"], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        return done.stderr
    assert f"{folder}/text.so: cannot be loaded: " in check(folder)
    assert f"plugin_dir {lab.path('nowhere')}: cannot be read: " in check(lab.path("nowhere"))
    os.chmod(os.path.join(folder, "text.so"), 0o666)
    assert "text.so: everybody may write it; it is not loaded" in check(folder)
