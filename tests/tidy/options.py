#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""options.py - every option has a test that sets it and sees the effect: makes the table of them,
and finds those that have none.

    tests/tidy/options.py HEKAD [--write]

A test says so in a comment: `[option TYPE.key]`; options that all types of a kind have are
`[option inputs.key]`, and so on, those of tables that several types have `[option tls.key]`.
HEKAD -help-config says which options there are. Without --write it prints what is wrong, and exits
1: an option without a test that options_open.txt does not list, a listed one that has a test or is
no option, a mark of no option, and a docs/options-tested.md that is not what it would write. With
--write it writes that page, and takes out of options_open.txt what does not belong there; nothing
is ever added to the latter.
"""
import collections
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = "docs/options-tested.md"
OPEN = "tests/tidy/options_open.txt"
MARK = re.compile(r"\[option ([A-Za-z0-9_.]+)\]")
TEXT = (".c", ".h", ".py", ".toml", ".in", ".lua", ".json")
SHARED_TABLES = ("tls", "retries", "buffering", "signer")
# The mark that shows how marks are written.
NO_FILES = ("tests/tidy/options.py", "tests/tidy/test_options.py")


def section_name(title):
    """`[hekad]` is hekad, `all inputs` is inputs, `[X.retries]` is retries."""
    title = title.strip("[]")
    return title.split(" ", 1)[1] if title.startswith("all ") else title.split(".")[-1]


def parse_options(markdown):
    """Names of all options in the order of the manual."""
    names, section = [], None
    for line in markdown.split("\n"):
        if line.startswith("### "):
            section = section_name(line[4:].strip())
        row = re.match(r"\| `([^`]+)` \|", line)
        if row is None or section is None:
            continue
        name = f"{section}.{row.group(1)}"
        parts = row.group(1).split(".")
        if len(parts) == 2 and parts[0] in SHARED_TABLES:
            name = row.group(1)
        if name not in names:
            names.append(name)
    return names


def find_marks(root):
    """Option -> sorted paths of files with a mark of it."""
    marks = collections.defaultdict(set)
    for folder, folders, files in os.walk(os.path.join(root, "tests")):
        folders[:] = [name for name in folders if name not in ("corpus", "__pycache__")]
        for name in files:
            path = os.path.relpath(os.path.join(folder, name), root)
            if not name.endswith(TEXT) or path in NO_FILES:
                continue
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                for option in MARK.findall(file.read()):
                    marks[option].add(path)
    return {option: sorted(paths) for option, paths in marks.items()}


def read_open(root):
    with open(os.path.join(root, OPEN), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip() and not line.startswith("#")]


def make_page(names, marks):
    groups = collections.defaultdict(list)
    for name in names:
        groups[name.split(".", 1)[0]].append(name)
    tested = sum(name in marks for name in names)
    lines = ["<!-- SPDX-License-Identifier: MPL-2.0 -->", "# Which test sees which option", "",
             "Made by `tests/tidy/options.py` from marks in the tests. "
             f"{tested} of {len(names)} options have a test that sets them and sees the effect."]
    for group, members in groups.items():
        lines += ["", f"## {group}", "", "| Option | Tests |", "|---|---|"]
        for name in members:
            paths = ", ".join(f"[{os.path.basename(path)}](../{path})"
                              for path in marks.get(name, []))
            lines.append(f"| `{name.split('.', 1)[1]}` | {paths or 'none yet'} |")
    return "\n".join(lines) + "\n"


def find_faults(names, marks, listed):
    known = set(names)
    for name in names:
        if name not in marks and name not in listed:
            yield f"{name}: no test has a mark [option {name}]"
    for name in listed:
        if name not in known:
            yield f"{OPEN}: {name} is no option"
        elif name in marks:
            yield f"{OPEN}: {name} has a test ({marks[name][0]}): take it out"
    for name, paths in sorted(marks.items()):
        if name not in known:
            yield f"{paths[0]}: [option {name}]: there is no such option"


def read_page(root):
    path = os.path.join(root, PAGE)
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(root, page, names, marks, listed):
    with open(os.path.join(root, PAGE), "w", encoding="utf-8") as file:
        file.write(page)
    left = [name for name in listed if name in names and name not in marks]
    with open(os.path.join(root, OPEN), encoding="utf-8") as file:
        head = [line for line in file.read().split("\n") if line.startswith("#")]
    with open(os.path.join(root, OPEN), "w", encoding="utf-8") as file:
        file.write("\n".join(head + left) + "\n")


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    markdown = subprocess.run([arguments[0], "-help-config"], capture_output=True, text=True,
                              check=True).stdout
    names, marks = parse_options(markdown), find_marks(ROOT)
    listed = read_open(ROOT)
    page = make_page(names, marks)
    if "--write" in arguments:
        write(ROOT, page, names, marks, listed)
        listed = read_open(ROOT)
    faults = list(find_faults(names, marks, listed))
    if read_page(ROOT) != page:
        faults.append(f"{PAGE} is out of date: run tests/tidy/options.py HEKAD --write")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
