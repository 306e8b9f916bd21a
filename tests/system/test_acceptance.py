# SPDX-License-Identifier: MPL-2.0
"""Configuration files that Heka's own tests use: loaded or refused as there. With HEKA_UPSTREAM, a
checkout of Heka, its files; without it cases of our own that say the same."""
import os
import subprocess

import pytest

import heka

UPSTREAM = os.environ.get("HEKA_UPSTREAM")
PLUGINS, PIPELINE = "plugins/testsupport", "pipeline/testsupport"

# A StatFilter without its accumulator: Heka loads it, and ends when the filter starts. We say so
# before the start.
NO_ACCUM = ["'default' refers to StatAccumInput 'StatAccumInput', which no section defines",
            "'sample' refers to StatAccumInput 'StatAccumInput', which no section defines",
            "2 errors loading plugins"]

# File, all errors (texts that each line has to hold, in order; none: it is good).
UPSTREAM_CASES = [
    (f"{PLUGINS}/config_test.toml", NO_ACCUM),
    (f"{PLUGINS}/config_dir", NO_ACCUM),
    (f"{PLUGINS}/config_test_common.toml", []),
    (f"{PLUGINS}/config_test_multidecoder.toml", []),
    (f"{PLUGINS}/config_test_multidecoder_nested.toml", []),
    (f"{PLUGINS}/config_test_multidecoder_nested_cyclic.toml",
     ["circular dependency detected", "circular dependency detected", "2 errors loading"]),
    (f"{PLUGINS}/config_test_defaults.toml",
     ["'LogOutput' missing message matcher", "'StatFilter' missing message matcher",
      "Encoder required", "StatAccumInput", "StatAccumInput", "5 errors loading plugins"]),
    (f"{PLUGINS}/config_bad_test.toml",
     ["address: found 1000, allowed a string", "No registered plugin type: CounterOutput",
      "2 errors loading plugins"]),
    (f"{PLUGINS}/config_bad_outputs.toml",
     ["No registered plugin type: ", "1 errors loading plugins"]),
    (f"{PLUGINS}/config_env_test.toml", []),
    (f"{PLUGINS}/bad_envs/config_1_test.toml", ["Missing closing delimiter", "1 errors"]),
    (f"{PLUGINS}/bad_envs/config_2_test.toml", ["Invalid characters in environmental variable",
                                                "1 errors"]),
    ("examples/conf/hekad.toml", []),
]

# Name, file or files, all errors.
OWN_CASES = [
    ("common_options", """
[UdpInput]
address = "127.0.0.1:29329"
ticker_interval = 20
[UdpInput.retries]
max_delay = "1m"
max_jitter = "10s"
max_retries = 7
[LogOutput]
message_matcher = "TRUE"
message_signer = "somebody"
ticker_interval = 3
encoder = "PayloadEncoder"
[PayloadEncoder]
""", []),
    ("free_keys", """
[parts]
type = "MultiDecoder"
subs = ["one", "two"]
[one]
type = "PayloadRegexDecoder"
match_regex = '^(?P<From>[0-9.]+) (?P<To>[0-9.]+)$'
[one.message_fields]
From|ipv4 = "%From%"
To|ipv4 = "%To%"
[two]
type = "ScribbleDecoder"
[two.message_fields]
Kind = "second"
""", []),
    ("decoders_in_a_circle", """
[one]
type = "MultiDecoder"
subs = ["two"]
[two]
type = "MultiDecoder"
subs = ["one"]
""", ["'one': circular dependency detected: one > two > one", "'two': circular dependency",
      "2 errors loading plugins"]),
    ("no_matcher", "[LogOutput]\nencoder = 'PayloadEncoder'\n[PayloadEncoder]\n",
     ["'LogOutput' missing message matcher", "1 errors loading plugins"]),
    ("two_mistakes", "[UdpInput]\naddress = 1000\n[WhatInput]\n",
     ["address: found 1000, allowed a string", "No registered plugin type: WhatInput",
      "2 errors loading plugins"]),
    ("environment", "[LogOutput]\nmessage_matcher = 'TRUE'\nencoder = '%ENV[LOG_ENCODER]'\n"
     "[%ENV[LOG_ENCODER]]\n", []),
    ("environment_open", "[LogOutput]\nmessage_matcher = '%ENV[WHAT'\n",
     ["Missing closing delimiter", "1 errors loading plugins"]),
    ("environment_blank", "[LogOutput]\nmessage_matcher = '%ENV[WH AT]'\n",
     ["Invalid characters in environmental variable", "1 errors loading plugins"]),
    ("folder", {"a.toml": "[CounterFilter]\n", "b.toml": "[second]\ntype = 'CounterFilter'\n",
                "c.toml.off": "no configuration"}, []),
    ("folder_with_one_name_twice", {"a.toml": "[CounterFilter]\n", "b.toml": "[CounterFilter]\n"},
     ["b.toml:1: section 'CounterFilter' is there already, at ", "1 errors loading plugins"]),
    ("folder_with_hekad_twice", {"a.toml": "[hekad]\nmaxprocs = 0\n[CounterFilter]\n",
                                 "b.toml": "[hekad]\nhostname = 'b'\n"}, []),
    ("old_options", "[TcpInput]\naddress = '127.0.0.1:29330'\nparser_type = 'token'\n",
     ["unknown config setting for 'TcpInput': parser_type", "1 errors loading plugins"]),
]


def check(lab, path):
    """Errors of `hekad -check`, one a line. [hekad] is the file's own, if it has one."""
    environment = dict(os.environ, LOG_ENCODER="PayloadEncoder", TMPDIR=lab.dir)
    done = subprocess.run([heka.HEKAD, "-check", "-config", path, "-run-dir", lab.path("run")],
                          capture_output=True, text=True, timeout=60, check=False,
                          env=environment)
    lines = done.stderr.splitlines()
    assert (done.returncode == 0) == (not lines), done
    return lines


def assert_errors(lines, expected):
    assert len(lines) == len(expected) and all(
        text in line for text, line in zip(expected, lines)), "\n".join(lines)


@pytest.mark.skipif(UPSTREAM is None, reason="HEKA_UPSTREAM: no checkout of Heka")
@pytest.mark.parametrize("path, expected", UPSTREAM_CASES)
def test_of_heka(lab, path, expected):
    assert_errors(check(lab, os.path.join(UPSTREAM, path)), expected)


@pytest.mark.parametrize("name, text, expected", OWN_CASES)
def test_of_our_own(lab, name, text, expected):
    path = lab.path(name)
    if isinstance(text, dict):
        os.makedirs(path)
        for file_name, part in text.items():
            with open(os.path.join(path, file_name), "w", encoding="utf-8") as file:
                file.write(part)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    assert_errors(check(lab, path), expected)
