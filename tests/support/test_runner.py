# SPDX-License-Identifier: MPL-2.0
"""runner.py counts cases, and takes nothing for passed that did not say so."""
import os
import sys
import xml.etree.ElementTree

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runner  # noqa: E402

GOOD = """[==========] Running 3 test(s).
[ RUN      ] test_a
[       OK ] test_a
[==========] 3 test(s) run.
[  PASSED  ] 3 test(s).
"""
BAD = """[==========] tests: Running 5 test(s).
[==========] tests: 5 test(s) run.
[  PASSED  ] 3 test(s).
[  SKIPPED ] tests: 1 test(s), listed below:
[  SKIPPED ] test_c
[  FAILED  ] tests: 1 test(s), listed below:
[  FAILED  ] test_b

 1 FAILED TEST(S)
"""
PYTEST = """<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure/></testcase>
<testcase name="c"><skipped message="no right"/></testcase><testcase name="d"><error/></testcase>
</testsuite></testsuites>"""


def case(text="", status="run", inner=""):
    return xml.etree.ElementTree.fromstring(
        f'<testcase name="x" time="1" status="{status}">{inner}'
        f"<system-out>{text}</system-out></testcase>")


def counted(*arguments, report=None, **options):
    result = runner.count("dev", case(*arguments, **options), {"x": "unit"}, report)
    return result.passed, result.failed, len(result.skips)


@pytest.mark.parametrize("want, text, status, inner", [
    ((1, 0, 0), "", "run", ""),
    ((3, 0, 0), GOOD, "run", ""),
    ((6, 0, 0), GOOD + GOOD, "run", ""),
    ((3, 1, 1), BAD, "fail", "<failure/>"),
    ((3, 1, 0), GOOD, "fail", "<failure/>"),  # said well, ended badly
    ((0, 1, 0), "[==========] Running 3 test(s).\n[ RUN ] test_a\n", "fail", "<failure/>"),
    ((0, 1, 0), "", "fail", "<failure/>"),
    ((0, 0, 1), "not here", "notrun", '<skipped message="SKIP_RETURN_CODE=77"/>'),
    ((0, 1, 0), "", "notrun", '<skipped message="Unable to find executable"/>'),
    ((0, 0, 1), "Disabled", "disabled", ""),
])
def test_one_program(want, text, status, inner):
    assert counted(text, status, inner) == want


def test_one_pytest_module(tmp_path):
    report = tmp_path / "x.xml"
    report.write_text(PYTEST)
    assert counted("", "fail", "<failure/>", report=report) == (1, 2, 1)
    assert runner.pytest_cases(report)[2] == ["no right"]
    assert counted("", "fail", "<failure/>") == (0, 1, 0)


def test_programs_with_threads_are_found():
    names = runner.threaded_tests()
    assert "test_lane" in names and "test_shard_threads" in names and "test_decimal" not in names
