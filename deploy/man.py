#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""man.py - manual pages as roff: from docs/man/*.md, and one of all options from the program.

    deploy/man.py PAGE.md OUT
    deploy/man.py -options HEKAD OUT       hekad.toml(5), from what HEKAD -help-config prints

Knows the Markdown that those pages are written in: headings, paragraphs, lists, tables, indented
code, `code`, **bold** and links.
"""
import re
import subprocess
import sys

OPTIONS_HEAD = """# hekad.toml(5)

## Name

hekad.toml - the configuration of hekad

## Description

A TOML file, or a folder of `*.toml` files that are read in the order of their names. Each section
is a plugin: its name is the plugin's, and `type` says which it is, unless the name is a type.
`[hekad]` and `[dataplane]` are options of the programs. `%ENV[NAME]` is replaced by the
environment's NAME. `hekad -check` says all that is wrong with it.

"""


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def inline(text):
    """Markdown within a line to roff."""
    parts = re.split(r"(`[^`]*`|\*\*[^*]+\*\*|\[[^\]]*\]\([^)]*\))", text)
    out = []
    for part in parts:
        link = re.fullmatch(r"\[([^\]]*)\]\([^)]*\)", part)
        if part.startswith("`") and part.endswith("`") and len(part) > 1:
            out.append("\\fB" + escape(part[1:-1]) + "\\fR")
        elif part.startswith("**") and len(part) > 4:
            out.append("\\fB" + escape(part[2:-2]) + "\\fR")
        elif link:
            out.append(escape(link.group(1)))
        else:
            out.append(escape(part))
    line = "".join(out)
    return "\\&" + line if line.startswith((".", "'")) else line


def cells(line):
    """Of a table's row; a bar within code does not count."""
    line = re.sub(r"`[^`]*`", lambda code: code.group(0).replace("|", "\0"), line)
    return [cell.strip().replace("\0", "|") for cell in line.strip().strip("|").split("|")]


class Page:
    def __init__(self):
        self.out, self.table_head, self.in_list = [], None, False

    def title(self, line):
        name, section = re.fullmatch(r"# ([\w.-]+)\((\d)\)", line).groups()
        self.out.append(f'.TH {name.upper()} {section} "" "Hekaline"')

    def row(self, line):
        """The first cell is the term, the others say more about it."""
        columns = cells(line)
        if all(re.fullmatch(r":?-+:?", cell) for cell in columns):
            return
        if self.table_head is None:
            self.table_head = columns
            return
        self.out += [".TP", inline(columns[0])]
        rest = [f"{head}: {cell}" if head and head not in ("Meaning",) else cell
                for head, cell in zip(self.table_head[1:], columns[1:]) if cell]
        self.out.append(inline("; ".join(rest)) or "\\&")

    def line(self, line):
        if not line.startswith("|"):
            self.table_head = None
        if line.startswith("<!--"):
            return
        if line.startswith("# "):
            self.title(line)
        elif line.startswith("## "):
            self.out.append(f".SH {escape(line[3:].upper())}")
        elif line.startswith("### "):
            self.out.append(f".SS {escape(line[4:])}")
        elif line.startswith("|"):
            self.row(line)
        elif line.startswith("- "):
            self.out += [".IP \\(bu 3", inline(line[2:])]
        elif not line.strip():
            if self.out and self.out[-1] != ".PP":
                self.out.append(".PP")
        else:
            self.out.append(inline(line.strip()))

    def code(self, lines):
        self.out += [".nf", *("    " + escape(line) for line in lines), ".fi"]


def convert(text):
    page, lines, at = Page(), text.split("\n"), 0
    while at < len(lines):
        before_is_blank = at == 0 or not lines[at - 1].strip()
        indent = re.match(r" {4,}", lines[at])
        if indent and before_is_blank:
            block = []
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                block.append(lines[at][4:])
                at += 1
            while block and not block[-1].strip():
                block.pop()
            page.code(block)
            continue
        page.line(lines[at])
        at += 1
    return "\n".join(page.out) + "\n"


def main(arguments):
    if len(arguments) == 3 and arguments[0] == "-options":
        text = OPTIONS_HEAD + subprocess.run([arguments[1], "-help-config"], check=True, text=True,
                                             capture_output=True).stdout
    elif len(arguments) == 2:
        with open(arguments[0], encoding="utf-8") as file:
            text = file.read()
    else:
        sys.exit(__doc__)
    with open(arguments[-1], "w", encoding="utf-8") as file:
        file.write(convert(text))


if __name__ == "__main__":
    main(sys.argv[1:])
