#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""run_pytest.py - one pytest module as a CTest.

    run_pytest.py --bin-dir DIR --junit FILE.xml MODULE [PYTEST ARGUMENTS]

The module runs where network namespaces can be made: here, when we may, or in a user namespace of
its own. Where neither is possible HEKA_NO_NAMESPACES tells the tests why, and they skip.
Exits with 77 when every case was skipped.
"""
import argparse
import os
import subprocess
import sys
import xml.etree.ElementTree

ALL_SKIPPED = 77
TRIALS = [[], ["--user", "--map-root-user"]]


def namespace_prefix():
    """(command to put in front, None) or ([], why there are no namespaces)."""
    why = ""
    for options in TRIALS:
        trial = subprocess.run(["unshare", *options, "--net", "true"], capture_output=True,
                               text=True, check=False)
        if trial.returncode == 0:
            return (["unshare", *options, "--"] if options else []), None
        why = trial.stderr.strip()
    return [], f"no right to make network namespaces ({why})"


def all_skipped(junit):
    suite = xml.etree.ElementTree.parse(junit).getroot().find("testsuite")
    return int(suite.get("tests")) == int(suite.get("skipped")) > 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--junit", required=True)
    parser.add_argument("module")
    arguments, rest = parser.parse_known_args()
    prefix, why_not = namespace_prefix()
    environment = dict(os.environ, HEKA_BIN_DIR=os.path.abspath(arguments.bin_dir),
                       PYTHONDONTWRITEBYTECODE="1")
    if why_not is not None:
        environment["HEKA_NO_NAMESPACES"] = why_not
    if os.path.exists(arguments.junit):
        os.unlink(arguments.junit)
    command = [*prefix, sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
               "--junitxml", arguments.junit, arguments.module, *rest]
    code = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                          check=False).returncode
    return ALL_SKIPPED if code == 0 and all_skipped(arguments.junit) else code


if __name__ == "__main__":
    sys.exit(main())
