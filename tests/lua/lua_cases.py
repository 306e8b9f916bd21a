# SPDX-License-Identifier: MPL-2.0
"""lua_cases.py - cases of the Lua library: tests/golden/lua/FOLDER/NAME.json, one file for each
file of sandbox/lua (FOLDER/NAME.lua).

A file is {"cases": [{"name", "config", "steps", "expect"}]}. A step is {"message": MESSAGE},
{"tick": ns}, {"now": ns}, {"restart": OPTIONS} (another instance with the state of the one before),
or for a module what tests/lua/module_call.lua takes (and perhaps "message": what else is in the
message). MESSAGE has Heka's headers by name, and Fields: [[name, value or [value...],
representation]...], where {"bytes": text} is a value, too.
Further members of a case:

    "unordered"          lines of a text and injections come in no order
    "tags"               nor do the tags of InfluxDB's lines
    "ignore"             headers that are not looked at
    "differs"            why Heka's result is another one
    "alone"              why it cannot be compared
    "script", "kind"     a script of tests/lua
    "limits"             memory_limit, instruction_limit, output_limit, max_process_inject

    lua_cases.py RIG            writes the results of our library into the files, as "expect"
    lua_cases.py RIG --check    only says what would change
"""
import glob
import json
import os
import re
import subprocess
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from heka_encode import member, varint  # noqa: E402

GOLDEN = os.path.join(ROOT, "tests", "golden", "lua")
LIBRARY = os.path.join(ROOT, "sandbox", "lua")
NUMBERS = {"Timestamp": 2, "Type": 3, "Logger": 4, "Severity": 5, "Payload": 6, "EnvVersion": 7,
           "Pid": 8, "Hostname": 9}
KINDS = {"decoders": "decoder", "encoders": "encoder", "filters": "filter", "modules": "filter"}


# ---- messages ----

def value_bytes(value):
    """(number of the member, bytes, type) of a field's value."""
    if isinstance(value, bool):
        return 8, varint(value), 4
    if isinstance(value, int):
        return 6, varint(value), 2
    if isinstance(value, float):
        return 7, struct.pack("<d", value), 3
    if isinstance(value, dict):
        return 5, value["bytes"].encode(), 1
    return 4, value.encode(), 0


def field(name, values, representation=""):
    values = values if isinstance(values, list) else [values]
    encoded = [value_bytes(value) for value in values]
    number, _, kind = encoded[0]
    out = member(1, name) + member(2, kind) + member(3, representation)
    if number >= 6:
        return out + member(number, b"".join(item for _, item, _ in encoded))
    return out + b"".join(member(number, item) for _, item, _ in encoded)


def message(members):
    out = member(1, bytes(range(16))) + member(2, members.get("Timestamp", 10**18))
    for name, number in NUMBERS.items():
        if number != 2 and name in members:
            out += member(number, members[name])
    for item in members.get("Fields", []):
        out += member(10, field(*item))
    return out


# ---- running ----

def step_of(step):
    if "module" in step:
        members = dict(step.get("message", {}), Payload=json.dumps(step))
        return {"message": message(members).hex()}
    if "message" in step:
        return {"message": message(step["message"]).hex()}
    return step


def rig_case(path, case, library, modules):
    folder, name = path.split("/")
    script = os.path.join(library, folder, name + ".lua")
    limits = case.get("limits", {})
    if folder == "modules":
        script = os.path.join(HERE, "module_call.lua")
        limits = {"max_process_inject": 2, **limits}  # the module's, and the result
    if "script" in case:
        script = os.path.join(HERE, case["script"])
    return {"kind": case.get("kind", KINDS[folder]), "script": script, "modules": modules,
            "config": case.get("config", {}), "limits": limits,
            "steps": [step_of(step) for step in case["steps"]]}


def with_successor(case, script):
    """The case with our script behind each restart, whoever's script there was before."""
    steps = [{**step, "script": script, "modules": os.path.join(LIBRARY, "modules")}
             if "restart" in step else step for step in case["steps"]]
    return {**case, "steps": steps}


def run(rig, path, cases, library=LIBRARY, modules=None, is_succeeded=False):
    """What comes of the cases of one file; `library` has decoders/, encoders/, filters/."""
    modules = modules or os.path.join(LIBRARY, "modules")
    made = [rig_case(path, case, library, modules) for case in cases]
    if is_succeeded:
        made = [with_successor(case, os.path.join(LIBRARY, path + ".lua")) for case in made]
    text = json.dumps(made)
    done = subprocess.run([rig], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{path}: {done.returncode}\n{done.stderr}"
    lines = done.stdout.splitlines()
    assert len(lines) == len(cases), f"{path}: {done.stderr}"
    return [result_of(json.loads(line), case, path) for line, case in zip(lines, cases)]


# ---- results in a form that can be compared ----

def place_free(text):
    """Error texts without the script's name and line."""
    return re.sub(r'(\S*\.lua|\[string "\w+"\]):\d+: ?', "", text)


def text_result(text, case):
    if text[:1] in ("{", "["):
        try:
            found = [json.loads(line) for line in text.splitlines()]
            return {"json": found[0] if len(found) == 1 else found}
        except ValueError:
            pass
    if case.get("tags"):
        text = "\n".join(sorted(tags_in_order(line) for line in text.split("\n")))
    if case.get("unordered") and "\n" in text:
        return {"lines": sorted(text.splitlines())}
    return text


def tags_in_order(line):
    """A line of InfluxDB's protocol with its tags sorted."""
    head, blank, rest = (re.match(r"((?:[^ \\]|\\.)*)( ?)(.*)", line).groups())
    name, *tags = re.split(r"(?<!\\),", head)
    return ",".join([name] + sorted(tags)) + blank + rest


def message_result(found, case):
    out = {}
    for name, value in found.items():
        if name == "Fields":
            fields = [[item["name"], item["type"], item["values"]]
                      + ([item["representation"]] if item.get("representation") else [])
                      for item in value]
            out[name] = sorted(fields, key=lambda item: item[0])
        elif name != "Uuid" and name not in case.get("ignore", []):
            out[name] = text_result(value, case) if name == "Payload" else value
    return out


def any_result(found, case):
    return message_result(found, case) if isinstance(found, dict) else text_result(found, case)


def step_result(step, case):
    out = {"status": step["status"]}
    if step["outcome"] == "terminated":
        out = {"terminated": place_free(step["text"])}
    elif step["text"]:
        out["text"] = step["text"]
    injected = [any_result(item, case) for item in step["injected"]]
    if case.get("unordered"):
        injected.sort(key=lambda item: json.dumps(item, sort_keys=True))
    if injected:
        out["injected"] = injected
    if step["logged"]:
        out["logged"] = step["logged"]
    if "result" in step:
        out["result"] = any_result(step["result"], case)
    return out


def brief(found):
    """What a module's case injects: its payload, and the type of that, if it is not "txt"."""
    kind = next(field[2][0] for field in found["Fields"] if field[0] == "payload_type")
    payload = found.get("Payload", "")
    return payload if kind == "txt" else {kind: payload}


def result_of(found, case, path):
    if found["init"] != "ok":
        return [{"init": place_free(found["init"])}]
    steps = [step_result(step, case) for step in found["steps"]]
    if path.startswith("modules/"):
        for step in steps:
            step["injected"] = [brief(item) for item in step.get("injected", [])]
            if step == {"status": 0, "injected": step["injected"]}:
                del step["status"]
    return steps


# ---- files ----

def paths():
    found = glob.glob(os.path.join(GOLDEN, "*", "*.json"))
    return sorted(os.path.relpath(path, GOLDEN)[:-5] for path in found)


def load(path):
    with open(os.path.join(GOLDEN, path + ".json"), encoding="utf-8") as file:
        return json.load(file)


def line_of(value):
    return json.dumps(value, ensure_ascii=False)


def case_text(case):
    rows = []
    for name, value in case.items():
        if name in ("steps", "expect") and value:
            items = ",\n      ".join(line_of(item) for item in value)
            rows.append(f"    {line_of(name)}: [\n      {items}\n    ]")
        else:
            rows.append(f"    {line_of(name)}: {line_of(value)}")
    return "{\n" + ",\n".join(rows) + "\n  }"


def store(path, document):
    text = ",\n  ".join(case_text(case) for case in document["cases"])
    with open(os.path.join(GOLDEN, path + ".json"), "w", encoding="utf-8") as file:
        file.write('{"cases": [\n  ' + text + "\n]}\n")


def main():
    for path in paths():
        document = load(path)
        for case, found in zip(document["cases"], run(sys.argv[1], path, document["cases"])):
            if case.get("expect") != found:
                print(f"{path}: {case['name']}")
            case["expect"] = found
        if sys.argv[2:] != ["--check"]:
            store(path, document)


if __name__ == "__main__":
    main()
