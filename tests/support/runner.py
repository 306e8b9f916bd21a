#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""runner.py - builds the presets, runs their tests, counts cases. Started by tests/run.

Cases are counted, not programs: a cmocka program says how many of its cases passed, a pytest module
writes them to build/PRESET/pytest/NAME.xml, and any other test is one case. A program that ends
badly without having said so is one failed case.
"""
import argparse
import collections
import glob
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JOBS = str(os.cpu_count() or 1)
OUTPUT_MAX = str(1 << 20)
LABELS = "unit golden fuzz sim vdev netns real".split()
SERIAL = "vdev netns real"  # these have the machine to themselves
FAILED_TEXT_LINES = 60

Result = collections.namedtuple("Result", "preset label name passed failed skips seconds text")


def run(command, **options):
    print("+ " + " ".join(command), flush=True)
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False, **options)


# ---- building ----

def build(preset, targets=()):
    """A row of its own, so that a build that fails is seen, and one that passes, too."""
    start = time.monotonic()
    configure = run(["cmake", "--preset", preset], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    text=True, errors="replace")
    done = configure
    if configure.returncode == 0:
        done = run(["ninja", "-C", f"build/{preset}", "-j", JOBS, *targets], text=True,
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    good = done.returncode == 0
    print("\n".join(done.stdout.splitlines()[-1 if good else -FAILED_TEXT_LINES:]), flush=True)
    return Result(preset, "build", f"build {preset}", int(good), int(not good), [],
                  time.monotonic() - start, "" if good else done.stdout)


# ---- counting ----

def cmocka_cases(text):
    """(passed, failed, skipped) as the program says, or None."""
    def total(word):
        return sum(int(count) for count in
                   re.findall(rf"^\[ *{word} *\] (?:\S+: )?(\d+) test\(s\)", text, re.M))
    if not re.search(r"^\[=+\] .*Running \d+ test\(s\)", text, re.M):
        return None
    return total("PASSED"), total("FAILED"), total("SKIPPED")


def pytest_cases(path):
    """(passed, failed, reasons of skips) of a junit file."""
    passed, failed, skips = 0, 0, []
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skipped is not None:
            skips.append(skipped.get("message", "no reason given"))
        else:
            passed += 1
    return passed, failed, skips


def skip_reason(text):
    """What a program said last before it skipped."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def outcome(case):
    """"passed", "failed" or "skipped" for a CTest of a junit file, as CTest sees it."""
    skipped = case.find("skipped")
    if skipped is not None:  # a program that is not there is "skipped", too
        return "skipped" if skipped.get("message", "").startswith("SKIP_") else "failed"
    if case.get("status") == "disabled":
        return "skipped"
    good = case.get("status") == "run" and case.find("failure") is None
    return "passed" if good else "failed"


def count(preset, case, labels, pytest_report):
    """Cases of one CTest. `pytest_report`: the file that the module wrote in this run, or None."""
    name, how = case.get("name"), outcome(case)
    text = "".join(case.findtext(tag) or "" for tag in ("system-out", "system-err"))
    cmocka = cmocka_cases(text)
    if pytest_report is not None:
        passed, failed, skips = pytest_cases(pytest_report)
    elif cmocka is not None:
        passed, failed, skipped = cmocka
        skips = [skip_reason(text)] * skipped
    else:
        passed, failed = int(how == "passed"), int(how == "failed")
        skips = [skip_reason(text)] if how == "skipped" else []
    if how == "failed" and failed == 0:
        failed = 1
    return Result(preset, labels.get(name, "other"), name, passed, failed, skips,
                  float(case.get("time", 0)), text if failed else "")


def report_of(preset, name, started):
    path = os.path.join(ROOT, "build", preset, "pytest", name + ".xml")
    fresh = os.path.exists(path) and os.path.getmtime(path) >= started
    return path if fresh else None


def labels_of(preset, selection):
    """{test: its first label} of what `selection` selects."""
    import json
    shown = subprocess.run(["ctest", "--test-dir", f"build/{preset}", "--show-only=json-v1",
                            *selection], cwd=ROOT, capture_output=True, text=True, check=True)
    out = {}
    for test in json.loads(shown.stdout)["tests"]:
        properties = {entry["name"]: entry["value"] for entry in test["properties"]}
        out[test["name"]] = (properties.get("LABELS") or ["other"])[0]
    return out


def ctest(preset, selection):
    """Runs the selected tests of a preset and counts their cases."""
    labels = labels_of(preset, selection)
    if not labels:
        return []
    started = time.time() - 1
    junit = os.path.join(ROOT, "build", preset, "ctest.xml")
    if os.path.exists(junit):
        os.unlink(junit)
    done = run(["ctest", "--test-dir", f"build/{preset}", "--output-junit", junit, "-j", JOBS,
                "--test-output-size-passed", OUTPUT_MAX, "--test-output-size-failed", OUTPUT_MAX,
                "--progress", "--quiet", *selection])
    if not os.path.exists(junit):
        return [Result(preset, "other", "ctest", 0, 1, [], 0, f"ctest ended: {done.returncode}")]
    cases = list(xml.etree.ElementTree.parse(junit).getroot().iter("testcase"))
    results = [count(preset, case, labels, report_of(preset, case.get("name"), started))
               for case in cases]
    for name in set(labels) - {case.get("name") for case in cases}:
        results.append(Result(preset, labels[name], name, 0, 1, [], 0, "CTest did not report it"))
    return results


# ---- what runs ----

def threaded_tests():
    """Test programs whose sources start threads: ThreadSanitizer has something to say there."""
    names = set()
    for path in glob.glob(os.path.join(ROOT, "tests/unit/**/CMakeLists.txt"), recursive=True):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for name, rest in re.findall(r"heka_test\(\s*(\w+)([^)]*)\)", text):
            for source in re.findall(r"(?<![\w/}])\w+\.c\b", rest):
                full = os.path.join(os.path.dirname(path), source)
                if os.path.exists(full) and starts_threads(full):
                    names.add(name)
    return sorted(names)


def starts_threads(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return re.search(r"\b(pthread_create|thrd_create|appliance_launch)\b", text) is not None


def run_dev(label):
    if os.path.exists(repeated_path()):
        os.unlink(repeated_path())
    results = [build("dev")]
    if results[0].failed:
        return results
    if label is not None:
        return results + ctest("dev", ["-L", f"^{label}$"])
    serial = "|".join(SERIAL.split())
    results += ctest("dev", ["-LE", f"^({serial})$"])
    return results + ctest("dev", ["-L", f"^({serial})$"])


def run_asan():
    """The same programs with address and undefined-behaviour sanitizers; not what runs no C."""
    results = [build("asan")]
    if not results[0].failed:
        results += ctest("asan", ["-L", "^(unit|golden|fuzz|sim)$", "-E", "^(tidy|runner)$"])
    return results


def run_release():
    """What is deployed must build (other optimisation, other warnings), and show itself."""
    results = [build("release", ["hekad", "heka-dataplane"])]
    start = time.monotonic()
    if not results[0].failed:
        shown = run(["deploy/quickstart"], text=True, stdout=subprocess.PIPE, errors="replace",
                    stderr=subprocess.STDOUT)
        good = shown.returncode == 0 and "every metric is accounted for" in shown.stdout
        results.append(Result("release", "real", "deploy/quickstart", int(good), int(not good), [],
                              time.monotonic() - start, "" if good else shown.stdout))
    return results


def run_tsan():
    names = threaded_tests()
    results = [build("tsan", names)]
    if not results[0].failed:
        results += ctest("tsan", ["-R", f"^({'|'.join(names)})$"])
    return results


# ---- reporting ----

def print_failures(results):
    for result in results:
        if result.failed:
            text = "\n".join(result.text.splitlines()[-FAILED_TEXT_LINES:])
            print(f"\n==== FAILED: {result.name} ({result.preset})\n{text}")


def print_table(results):
    rows = collections.OrderedDict()
    for result in results:
        row = rows.setdefault((result.preset, result.label), [0, 0, 0, 0.0])
        for index, value in enumerate((result.passed, result.failed, len(result.skips),
                                       result.seconds)):
            row[index] += value
    print(f"\n{'preset':8} {'label':8} {'passed':>8} {'failed':>8} {'skipped':>8} {'seconds':>8}")
    for (preset, label), (passed, failed, skipped, seconds) in rows.items():
        print(f"{preset:8} {label:8} {passed:8} {failed:8} {skipped:8} {seconds:8.0f}")


def print_skips(results):
    reasons = collections.Counter((result.preset, result.name, reason)
                                  for result in results for reason in result.skips)
    for (preset, name, reason), number in reasons.items():
        print(f"skipped: {number} of {name} ({preset}): {reason}")


def repeated_path():
    return os.path.join(ROOT, "build", "dev", "pytest", "repeated.txt")


def print_repeated():
    """Cases that passed only when they were run again: to be looked at, though nothing failed."""
    if os.path.exists(repeated_path()):
        with open(repeated_path(), encoding="utf-8") as file:
            for line in file:
                print(f"repeated: {line.strip()} passed when it was run again")


def main():
    parser = argparse.ArgumentParser(prog="tests/run")
    parser.add_argument("--quick", action="store_true", help="preset dev only")
    parser.add_argument("-L", dest="label", choices=LABELS, help="only this label, preset dev")
    arguments = parser.parse_args()
    start = time.monotonic()
    os.chdir(ROOT)
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", CTEST_OUTPUT_ON_FAILURE="0")
    results = run_dev(arguments.label)
    if not arguments.quick and arguments.label is None:
        results += run_asan() + run_tsan() + [build("clang")] + run_release()
    print_failures(results)
    print_table(results)
    print_skips(results)
    print_repeated()
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    skipped = sum(len(result.skips) for result in results)
    print(f"took {time.monotonic() - start:.0f} s on {JOBS} cores"
          f"{'' if shutil.which('carbon-cache') else ', without carbon-cache'}\n")
    sys.stdout.flush()
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed > 0 or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
