# SPDX-License-Identifier: MPL-2.0
"""Every option has a test, and the tool that says so finds what it must find."""
import os
import subprocess
import sys

import options

MANUAL = """### [hekad]

| Key of hekad | Allowed | Default | Meaning |
|---|---|---|---|
| `hostname` | a string | none | Name. |

### all inputs

| `retries` | a table | none | Restart. |
| `retries.delay` | a duration | none | First wait. |

### UdpInput

| `address` | a string | none | Where. |
| `tls.cert_file` | a string | none | File. |

### [X.retries]

| `delay` | a duration | none | First wait. |
"""
NAMES = ["hekad.hostname", "inputs.retries", "retries.delay", "UdpInput.address", "tls.cert_file"]


def test_names():
    assert options.parse_options(MANUAL) == NAMES


def test_faults():
    marks = {name: ["tests/x.py"] for name in NAMES}
    assert not list(options.find_faults(NAMES, marks, []))
    del marks["UdpInput.address"]
    assert list(options.find_faults(NAMES, marks, [])) == [
        "UdpInput.address: no test has a mark [option UdpInput.address]"]
    assert not list(options.find_faults(NAMES, marks, ["UdpInput.address"]))
    assert "hekad.hostname has a test" in next(options.find_faults(
        NAMES, marks, ["UdpInput.address", "hekad.hostname"]))
    assert "gone is no option" in next(options.find_faults(
        NAMES, marks, ["UdpInput.address", "gone"]))
    marks["UdpInput.adress"] = ["tests/y.py"]
    assert list(options.find_faults(NAMES, marks, ["UdpInput.address"])) == [
        "tests/y.py: [option UdpInput.adress]: there is no such option"]


def test_marks(tmp_path):
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "tests" / "unit" / "a.c").write_text("/* [option A.b] [option A.c] */\n")
    (tmp_path / "tests" / "b.py").write_text("# [option A.b]\n")
    assert options.find_marks(str(tmp_path)) == {"A.b": ["tests/b.py", "tests/unit/a.c"],
                                                 "A.c": ["tests/unit/a.c"]}


def test_this_tree():
    hekad = os.path.join(os.environ["HEKA_BIN_DIR"], "hekad")
    done = subprocess.run([sys.executable, options.__file__, hekad], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
