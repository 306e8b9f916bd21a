# SPDX-License-Identifier: MPL-2.0
"""native.py - shared objects for plugin_dir, built against the headers as they are installed."""
import os
import subprocess

from appliance import HEKAD, ROOT

BUILD = os.path.dirname(os.path.dirname(os.path.abspath(HEKAD)))


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=120, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def install_headers(prefix):
    run("cmake", "--install", BUILD, "--prefix", prefix, "--component", "headers")
    return os.path.join(prefix, "include", "hekaline")


def build(include, source, out, *flags):
    os.makedirs(os.path.dirname(out), exist_ok=True)
    run("cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fPIC", "-shared",
        "-D_GNU_SOURCE", f"-I{include}", *flags, "-o", out, source)
    return out


def build_fail(lab, name="fail.so", *flags):
    """tests/support/native_fail.c in a plugin_dir of its own, which is returned."""
    include = install_headers(lab.path("prefix"))
    folder = lab.path("plugins")
    build(include, os.path.join(ROOT, "tests", "support", "native_fail.c"),
          os.path.join(folder, name), *flags)
    return folder
