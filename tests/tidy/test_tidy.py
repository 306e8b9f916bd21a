# SPDX-License-Identifier: MPL-2.0
"""The tree obeys tidy.py's rules, and each rule refuses a sample made for it."""
import os
import re
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import tidy  # noqa: E402

C = "/* SPDX-License-Identifier: MPL-2.0 */\n"
H = "/* SPDX-License-Identifier: MPL-2.0\n *\n * %s - sample.\n */\n"

# rule -> files that must be refused by it, and the same put right.
SAMPLES = {
    "spdx": ({"core/a.c": "int a;\n"}, {"core/a.c": C + "int a;\n"}),
    "layering": ({"dataplane/a.c": C + '#include "control/b.h"\n'},
                 {"dataplane/a.c": C + '#include "core/b.h"\n'}),
    "layering core": ({"core/a.c": C + '#include "stats/b.h"\n'},
                      {"core/a.c": C + '#include "core/b.h"\n'}),
    "layering control": ({"control/a.c": C + '#include "dataplane/b.h"\n'},
                         {"control/a.c": C + '#include "codec/b.h"\n'}),
    "include_path": ({"core/a.c": C + '#include "b.h"\n', "core/b.h": H % "b.h"},
                     {"core/a.c": C + '#include "core/b.h"\n', "core/b.h": H % "b.h"}),
    "owner": ({"core/a.c": C + "#include <rte_mbuf.h>\n"},
              {"dataplane/a.c": C + "#include <rte_mbuf.h>\n"}),
    "owner hyperscan": ({"control/a.c": C + "#include <hs/hs.h>\n"},
                        {"matcher/a.c": C + "#include <hs/hs.h>\n"}),
    "owner pcre2": ({"stats/a.c": C + "#include <pcre2.h>\n"},
                    {"matcher/a.c": C + "#include <pcre2.h>\n"}),
    "owner lua": ({"control/a.c": C + "#include <luajit-2.1/lua.h>\n"},
                  {"sandbox/a.c": C + "#include <luajit-2.1/lua.h>\n"}),
    "own_header": ({"core/a.c": C + '#include <stdio.h>\n#include "core/a.h"\n',
                    "core/a.h": H % "a.h"},
                   {"core/a.c": C + '#include "core/a.h"\n#include <stdio.h>\n',
                    "core/a.h": H % "a.h"}),
    "unique_stem": ({"core/a.c": C, "control/a.h": H % "a.h"},
                    {"core/a.c": C, "core/a.h": H % "a.h", "core/main.c": C, "control/main.c": C}),
    "header_comment": ({"core/a.h": C}, {"core/a.h": H % "a.h"}),
    "banned": ({"core/a.c": C + "void f(char *a, char *b)\n{\n    strcpy(a, b);\n}\n"},
               {"core/a.c": C + "/* no strcpy(a, b) */\nchar f[] = \"strcpy(a, b)\";\n"}),
    "banned volatile": ({"core/a.c": C + "static volatile int stop;\n"},
                        {"core/a.c": C + "static volatile sig_atomic_t stop;\n"}),
    "banned typedef": ({"core/a.c": C + "typedef struct a a;\n"},
                       {"core/a.c": C + "typedef int (*a_fn)(void);\n"}),
    "banned exit": ({"core/a.c": C + "void f(void)\n{\n    exit(1);\n}\n"},
                    {"core/main.c": C + "void f(void)\n{\n    exit(1);\n}\n"}),
    "file_length": ({"core/a.c": C + "\n" * 1000}, {"core/a.c": C + "\n" * 999}),
    "line_length": ({"core/a.c": C + "/*" + "-" * 97 + "*/\n"},
                    {"core/a.c": C + "/*" + "-" * 96 + "*/\n"}),
    "function_length": ({"core/a.c": C + "int f(void)\n{\n" + "\n" * 69 + "}\n"},
                        {"core/a.c": C + "int f(void)\n{\n" + "\n" * 68 + "}\n"}),
    "function_length python": (
        {"tests/a.py": "# SPDX-License-Identifier: MPL-2.0\ndef f():\n" + "    f()\n" * 70},
        {"tests/a.py": "# SPDX-License-Identifier: MPL-2.0\ndef f():\n" + "    f()\n" * 69}),
    "word": ({"core/a.c": C + "/* TO" "DO: later */\n"},
             {"core/a.c": C + 'char dir[] = "/tmp/a-XX' 'XXXX";\n'}),
    "machine_path": ({"docs/a.md": "in /wo" "rk/main\n"}, {"docs/a.md": "in work/main\n"}),
    "whitespace": ({"core/a.c": C + "int a; \n"}, {"core/a.c": C + "int a;\n"}),
    "whitespace newline": ({"core/a.c": C + "int a;"}, {"core/a.c": C + "int a;\n"}),
    "built": ({"core/a.c": C, "core/CMakeLists.txt": "# SPDX-License-Identifier: MPL-2.0\nba.c\n"},
              {"core/a.c": C, "core/CMakeLists.txt": "# SPDX-License-Identifier: MPL-2.0\na.c\n"}),
    "executable": ({"deploy/a": "#!/bin/sh\n# SPDX-License-Identifier: MPL-2.0\n"}, {}),
    "link": ({"docs/a.md": "see [b](b.md)\n"},
             {"docs/a.md": "see [b](b.md#part) and [c](https://example.org/c)\n", "docs/b.md": ""}),
    "mention": ({"README.md": "run `core/gone.c` now\n"},
                {"README.md": "run `core/a.c` and `build/x/core/gone.c` and `core/*.def`\n",
                 "core/a.c": C}),
    "mention in a source": ({"core/a.c": "/* docs/formats/gone.md */\n"},
                            {"core/a.c": "/* docs/formats/a.md */\n", "docs/formats/a.md": ""}),
}


def rules_that_fire(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
    return {finding.rule for finding in tidy.check(tidy.Tree(str(root), files))}


@pytest.mark.parametrize("sample", SAMPLES)
def test_rule_fires_on_its_sample(sample, tmp_path):
    bad, good = SAMPLES[sample]
    rule = sample.split()[0]
    assert rule in rules_that_fire(tmp_path / "bad", bad)
    assert rule not in rules_that_fire(tmp_path / "good", good)


def test_every_rule_has_a_sample():
    with open(os.path.join(HERE, "tidy.py"), encoding="utf-8") as file:
        rules = set(re.findall(r'Finding\([^"()]*"([a-z_]+)"', file.read()))
    assert rules == {sample.split()[0] for sample in SAMPLES}


@pytest.fixture(scope="module", name="tree")
def checkout():
    return tidy.Tree(ROOT)


@pytest.mark.parametrize("rule", tidy.RULES, ids=lambda rule: rule.__name__)
def test_the_tree_is_tidy(rule, tree):
    findings = [f"{finding.path}:{finding.line}: {finding.rule}: {finding.text}"
                for finding in sorted(rule(tree))]
    assert not findings, "\n" + "\n".join(findings)


def test_the_program_says_what_it_found(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "a.c").write_text("int a;\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    run = subprocess.run([sys.executable, os.path.join(HERE, "tidy.py"), str(tmp_path)],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "core/a.c:1: spdx: " in run.stdout
