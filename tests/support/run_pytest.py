#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""run_pytest.py - one pytest module as a CTest.

    run_pytest.py --bin-dir DIR --junit FILE.xml MODULE [PYTEST ARGUMENTS]

The module runs where network namespaces can be made: here, when we may, or in a user namespace of
its own. Where neither is possible HEKA_NO_NAMESPACES tells the tests why, and they skip.
A case that fails is run once more, alone; when it passes then, it counts as passed and is named in
repeated.txt beside FILE.xml, which the runner shows. Exits with 77 when every case was skipped.
"""
import argparse
import os
import subprocess
import sys
import xml.etree.ElementTree

ALL_SKIPPED = 77
AGAIN_MAX = 3  # more failures than that are no accident
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


def failed_cases(junit):
    """Elements of the cases that failed or had an error."""
    if not os.path.exists(junit):
        return []
    return [case for case in xml.etree.ElementTree.parse(junit).getroot().iter("testcase")
            if case.find("failure") is not None or case.find("error") is not None]


def mark_passed(junit, names):
    tree = xml.etree.ElementTree.parse(junit)
    for case in tree.getroot().iter("testcase"):
        for child in [child for child in case if child.tag in ("failure", "error")]:
            case.remove(child)
    for suite in tree.getroot().iter("testsuite"):
        suite.set("failures", "0")
        suite.set("errors", "0")
    tree.write(junit)
    with open(os.path.join(os.path.dirname(junit), "repeated.txt"), "a", encoding="utf-8") as file:
        for name in names:
            file.write(f"{os.path.basename(junit)[:-len('.xml')]}: {name}\n")


def run_again(command, module, junit, environment):
    """The exit code of the cases that failed, run once more."""
    names = [case.get("name") for case in failed_cases(junit)]
    if not 0 < len(names) <= AGAIN_MAX:
        return 1
    second = junit + ".second"
    again = [word for word in command if word not in (module, junit)]
    at = again.index("--junitxml")
    again[at + 1:at + 1] = [second]
    print(f"once more: {', '.join(names)}", flush=True)
    code = subprocess.run([*again, *(f"{module}::{name}" for name in names)], env=environment,
                          stdin=subprocess.DEVNULL, check=False).returncode
    if code == 0:
        mark_passed(junit, names)
    if os.path.exists(second):
        os.unlink(second)
    return code


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
    if code == 1:
        code = run_again(command, arguments.module, arguments.junit, environment)
    return ALL_SKIPPED if code == 0 and all_skipped(arguments.junit) else code


if __name__ == "__main__":
    sys.exit(main())
