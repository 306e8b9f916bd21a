#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""tidy.py - what no compiler checks: licence lines, layering, owners of third-party headers,
names, banned calls, lengths, words that do not belong here, and links that lead nowhere.

    tests/tidy/tidy.py [ROOT]      prints FILE:LINE: RULE: TEXT for each finding; then exits 1

Every rule is a function in RULES that takes a Tree and yields findings; test_tidy.py shows each of
them a sample that it must refuse.
"""
import ast
import collections
import os
import re
import subprocess
import sys

FILE_LINES_MAX = 1000
LINE_COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70

Finding = collections.namedtuple("Finding", "path line rule text")

# Folder of ours -> folders of ours that it may include.
LAYERS = {
    "core": {"core"},
    "codec": {"codec", "core"},
    "matcher": {"matcher", "core", "codec"},
    "stats": {"stats", "core"},
    "sandbox": {"sandbox", "core", "codec"},
    "dataplane": {"dataplane", "core", "codec", "matcher", "stats"},
    "control": {"control", "core", "codec", "matcher", "stats", "sandbox"},
    "bench": {"bench", "core", "codec", "matcher", "stats", "dataplane", "sandbox"},
}

# Third-party header -> folders that own it.
OWNERS = [
    (re.compile(r"rte_"), {"dataplane", "bench"}),
    (re.compile(r"(hs/)?hs(_\w+)?\.h|hs/"), {"matcher"}),
    (re.compile(r"pcre2"), {"matcher"}),
    (re.compile(r"lua|lauxlib"), {"sandbox", "bench"}),
    (re.compile(r"protobuf-c/"), {"core"}),
    (re.compile(r"xxh"), {"core", "stats", "matcher", "sandbox"}),
    (re.compile(r"jansson"), {"core", "codec", "control", "dataplane", "bench"}),
    (re.compile(r"openssl/"), {"core", "control"}),
    (re.compile(r"zlib\.h"), {"control"}),
    (re.compile(r"libxml/|maxminddb|microhttpd|rabbitmq-c/|amqp|librdkafka/"), {"control"}),
    (re.compile(r"systemd/"), {"control"}),
    (re.compile(r"curl/|microhttpd|gnutls/"), {"control"}),
]

BANNED_CALLS = ("gets strcpy stpcpy strcat sprintf vsprintf atoi atol atoll atof strtok alloca "
                "tmpnam mktemp rand srand").split()
MAY_EXIT = {"main.c"}

# Spelled in halves, so that this file does not find itself.
UNWANTED_WORDS = ["TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK"]
MACHINE_PATHS = ["/wo" "rk/", "/ro" "ot/", "/ho" "me/"]

CODE = (".c", ".h", ".def")
TEXT = CODE + (".py", ".sh", ".cmake", ".lua", ".proto", ".toml", ".md", ".json", ".tsv", ".txt")
TOP_FOLDERS = ("core codec stats matcher dataplane control sandbox nic-profiles bench tests deploy "
               "clients docs cmake").split()


class Tree:
    """The files of a checkout, without what git ignores; texts are read once."""

    def __init__(self, root, paths=None):
        self.root = root
        self.paths = sorted(paths if paths is not None else list_files(root))
        self.texts = {}

    def text(self, path):
        if path not in self.texts:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def lines(self, path):
        return self.text(path).split("\n")

    def exists(self, path):
        return os.path.exists(os.path.join(self.root, path))

    def of(self, *suffixes):
        return [path for path in self.paths if path.endswith(suffixes) and not is_data(path)]

    def scripts(self):
        """Programs without a suffix that begin with #!"""
        return [path for path in self.paths
                if "." not in os.path.basename(path) and not is_data(path) and
                self.text(path).startswith("#!")]

    def sources(self):
        made = [path for path in self.paths if os.path.basename(path) == "CMakeLists.txt"]
        return (self.of(*CODE, ".py", ".sh", ".cmake", ".lua", ".proto", ".toml") + made +
                self.scripts())


def list_files(root):
    """Tracked files, and new ones that are not ignored."""
    command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    return {path for path in out.split("\0")
            if path and os.path.isfile(os.path.join(root, path))}


def is_data(path):
    """Inputs of tests: they may hold anything."""
    if path.startswith("tests/fuzz/corpus/"):
        return True
    return path.startswith("tests/golden/") and not path.endswith((".py", "CMakeLists.txt", ".md"))


def is_test(path):
    return path.startswith("tests/")


def folder_of(path):
    return path.split("/", 1)[0]


def without_comments(text):
    """C text with comments and the contents of literals blanked; line numbers stay."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + found[0]
        return re.sub(r"[^\n]", " ", found)
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.S)


def includes(tree, path):
    """(line, quoted, name) of each #include."""
    for number, line in enumerate(tree.lines(path), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


# ---- rules ----

def rule_spdx(tree):
    for path in tree.sources():
        lines = tree.lines(path)
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if "SPDX-License-Identifier: MPL-2.0" not in first:
            yield Finding(path, 1, "spdx", "the first line does not name the licence")


def rule_layering(tree):
    for path in tree.of(*CODE):
        allowed = LAYERS.get(folder_of(path))
        if allowed is None:
            continue
        for line, quoted, name in includes(tree, path):
            target = folder_of(name)
            if quoted and "/" in name and target not in allowed:
                yield Finding(path, line, "layering", f"{folder_of(path)} may not include {name}")


def rule_includes_from_root(tree):
    for path in tree.of(*CODE):
        for line, quoted, name in includes(tree, path):
            if not quoted or name.endswith(".pb-c.h"):
                continue
            if "/" not in name or not tree.exists(name):
                yield Finding(path, line, "include_path", f"{name} is no path from the root")


def rule_owners(tree):
    for path in tree.of(*CODE):
        if is_test(path):
            continue
        for line, quoted, name in includes(tree, path):
            for pattern, owners in OWNERS:
                if not quoted and pattern.match(name) and folder_of(path) not in owners:
                    yield Finding(path, line, "owner",
                                  f"<{name}> belongs to {', '.join(sorted(owners))}")


def rule_own_header_first(tree):
    known = set(tree.paths)
    for path in tree.of(".c"):
        own = path[:-2] + ".h"
        found = list(includes(tree, path))
        if own in known and (not found or found[0][2] != own):
            yield Finding(path, found[0][0] if found else 1, "own_header", f"{own} comes first")


def rule_unique_stems(tree):
    folders = collections.defaultdict(set)
    for path in tree.of(*CODE):
        stem = os.path.splitext(os.path.basename(path))[0]
        if not is_test(path) and stem != "main":
            folders[stem].add(os.path.dirname(path))
    for stem, where in sorted(folders.items()):
        if len(where) > 1:
            yield Finding(stem, 0, "unique_stem", f"the name is in {', '.join(sorted(where))}")


def rule_header_comment(tree):
    for path in tree.of(".h"):
        name = os.path.basename(path)
        if not is_test(path) and f" * {name} - " not in "\n".join(tree.lines(path)[:4]):
            yield Finding(path, 3, "header_comment", f"' * {name} - purpose' is missing")


def banned_in_line(path, line):
    for call in BANNED_CALLS:
        if call == "strcpy" and is_test(path):
            continue
        if re.search(rf"(?<![\w.>]){call}\s*\(", line):
            yield f"{call}()"
    if re.search(r"\bvolatile\b", line) and not re.search(
            r"volatile sig_atomic_t|\b(asm|__asm__)\b", line):
        yield "volatile (C11 atomics instead)"
    if re.search(r"\btypedef\s+(struct|union|enum)\b", line):
        yield "typedef of a struct, union or enum"
    may_exit = is_test(path) or folder_of(path) == "bench" or os.path.basename(path) in MAY_EXIT
    if not may_exit and re.search(r"(?<![\w.>])exit\s*\(", line):
        yield "exit() outside main.c"


def rule_banned(tree):
    for path in tree.of(*CODE):
        for number, line in enumerate(without_comments(tree.text(path)).split("\n"), 1):
            for what in banned_in_line(path, line):
                yield Finding(path, number, "banned", what)


def rule_file_length(tree):
    for path in tree.of(*CODE, ".py", ".sh", ".lua") + tree.scripts():
        count = tree.text(path).count("\n")
        if count > FILE_LINES_MAX:
            yield Finding(path, count, "file_length", f"{count} lines, allowed {FILE_LINES_MAX}")


def rule_line_length(tree):
    for path in tree.sources():
        for number, line in enumerate(tree.lines(path), 1):
            if len(line) > LINE_COLUMNS_MAX:
                yield Finding(path, number, "line_length",
                              f"{len(line)} columns, allowed {LINE_COLUMNS_MAX}")


def c_functions(text):
    """(first line, lines) of each function: from a '{' to a '}' that stand alone in column 0."""
    start = None
    for number, line in enumerate(text.split("\n"), 1):
        if line == "{" and start is None:
            start = number
        elif line == "}" and start is not None:
            yield start, number - start + 1
            start = None


def rule_function_length(tree):
    for path in tree.of(".c", ".h"):
        for line, count in c_functions(tree.text(path)):
            if count > FUNCTION_LINES_MAX:
                yield Finding(path, line, "function_length",
                              f"{count} lines, allowed {FUNCTION_LINES_MAX}")
    for path in tree.of(".py"):
        for node in ast.walk(ast.parse(tree.text(path))):
            if isinstance(node, ast.FunctionDef):
                count = node.end_lineno - node.lineno + 1
                if count > FUNCTION_LINES_MAX:
                    yield Finding(path, node.lineno, "function_length",
                                  f"{count} lines, allowed {FUNCTION_LINES_MAX}")


def rule_words(tree):
    pattern = re.compile(r"\b(" + "|".join(UNWANTED_WORDS) + r")\b")
    for path in sorted(set(tree.of(*TEXT) + tree.sources())):
        for number, line in enumerate(tree.lines(path), 1):
            match = pattern.search(line)
            if match:
                yield Finding(path, number, "word", match.group(1))
            for machine_path in MACHINE_PATHS:
                if machine_path in line:
                    yield Finding(path, number, "machine_path", machine_path)


def rule_whitespace(tree):
    for path in tree.of(*CODE, ".py", ".sh", ".cmake", ".lua") + tree.scripts():
        text = tree.text(path)
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip() or ("\t" in line and not path.endswith(".lua")):
                yield Finding(path, number, "whitespace", "a tab, or blanks at the end")
        if text and not text.endswith("\n"):
            yield Finding(path, text.count("\n") + 1, "whitespace", "no newline at the end")


def rule_built(tree):
    lists = "\n".join(tree.text(path) for path in tree.paths
                      if os.path.basename(path) in ("CMakeLists.txt", "Heka.cmake"))
    for path in tree.of(".c"):
        if not re.search(rf"(?<![\w]){re.escape(os.path.basename(path))}\b", lists):
            yield Finding(path, 1, "built", "no CMakeLists.txt names this file")


def rule_executable(tree):
    for path in tree.scripts():
        if not os.access(os.path.join(tree.root, path), os.X_OK):
            yield Finding(path, 1, "executable", "begins with #! and is not executable")


def rule_links(tree):
    for path in tree.of(".md"):
        for number, line in enumerate(tree.lines(path), 1):
            for target in re.findall(r"\]\(([^)\s]+)\)", line):
                target = target.split("#", 1)[0]
                if not target or re.match(r"[a-z][a-z0-9+.-]*:", target):
                    continue
                if not tree.exists(os.path.normpath(os.path.join(os.path.dirname(path), target))):
                    yield Finding(path, number, "link", f"{target} does not exist")


def mentions(line, only_docs):
    """Names in the text that look like files or folders of this tree."""
    folders = ["docs"] if only_docs else TOP_FOLDERS
    pattern = r"(?<![\w./<$-])((?:" + "|".join(folders) + r")/[\w./\[\]*{}<>$-]*[\w/])"
    for name in re.findall(pattern, line):
        is_pattern = re.search(r"[\[\]*{}<>$]|(^|/)(_?[A-Z]{2,}|N{4}|x)\b", name)
        if not is_pattern or re.search(r"(README|ARCHITECTURE|CHANGELOG)\.md$", name):
            yield name


def rule_mentions(tree):
    """Files that documents name in backticks, and documents that sources name."""
    for path in tree.of(".md"):
        for number, line in enumerate(tree.lines(path), 1):
            for quoted in re.findall(r"`([^`]+)`", line):
                for name in mentions(quoted, only_docs=False):
                    if not tree.exists(name) and not tree.exists(name + ".c"):
                        yield Finding(path, number, "mention", f"{name} does not exist")
    for path in tree.of(*CODE):
        for number, line in enumerate(tree.lines(path), 1):
            for name in mentions(line, only_docs=True):
                if not tree.exists(name):
                    yield Finding(path, number, "mention", f"{name} does not exist")


RULES = [value for name, value in sorted(globals().items()) if name.startswith("rule_")]


def check(tree):
    for rule in RULES:
        yield from rule(tree)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(here))
    findings = sorted(check(Tree(root)))
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.rule}: {finding.text}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
