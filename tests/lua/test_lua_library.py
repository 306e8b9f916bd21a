# SPDX-License-Identifier: MPL-2.0
"""test_lua_library.py - each file of sandbox/lua with the cases of tests/golden/lua, and the same
cases with Heka's own files, when these are here:

    HEKA_UPSTREAM           a checkout of Heka (with sandbox/lua)
    LUA_SANDBOX_UPSTREAM    one of lua_sandbox (with modules/)
"""
import os
import re

import lua_cases
import pytest

RIG = os.path.join(os.environ.get("HEKA_BIN_DIR", "build/dev/bin"), "lua_rig")
HEKA = os.environ.get("HEKA_UPSTREAM", "")
LUA_SANDBOX = os.environ.get("LUA_SANDBOX_UPSTREAM", "")


def files_of_the_library():
    found = []
    for folder in lua_cases.KINDS:
        for name in os.listdir(os.path.join(lua_cases.LIBRARY, folder)):
            found.append(f"{folder}/{name[:-4]}")
    return sorted(found)


# Parts of others, which have their cases: NAME: a file that requires it.
PARTS = {
    "modules/access_log": "decoders/nginx_access",
    "modules/grammar_decoder": "decoders/linux_loadavg",
    "modules/graph": "filters/loadavg",
    "modules/slow_query": "decoders/mysql_slow_query",
}
ELSEWHERE = {"modules/re"}  # tests/unit/sandbox/test_sandbox_originals.c


def test_each_file_has_cases():
    for part, user in PARTS.items():
        with open(os.path.join(lua_cases.LIBRARY, user + ".lua"), encoding="utf-8") as file:
            assert f'require "{part[8:]}"' in file.read().replace("(", " ").replace(")", "")
    expected = set(files_of_the_library()) - set(PARTS) - ELSEWHERE
    assert expected == set(lua_cases.paths())


@pytest.mark.parametrize("path", files_of_the_library())
def test_libraries_are_required(path):
    """A script has math, string, table and os when it asks for them."""
    with open(os.path.join(lua_cases.LIBRARY, path + ".lua"), encoding="utf-8") as file:
        text = re.sub(r"--[^\n]*", "", file.read())
    used = set(re.findall(r"(?<![\w.:])(math|string|table|os)\.\w", text))
    assert used <= set(re.findall(r'require\(?\s*"(\w+)"', text))


def options_of(path):
    """Names of the options that a plugin reads, by itself or by modules that are parts of it."""
    with open(os.path.join(lua_cases.LIBRARY, path + ".lua"), encoding="utf-8") as file:
        text = file.read()
    found = set(re.findall(r'read_config\("(\w+)"\)', text))
    for name in re.findall(r'require\(?\s*"(\w+)"', text):
        if f"modules/{name}" in PARTS:
            found |= options_of(f"modules/{name}")
    return found


@pytest.mark.parametrize("path", [path for path in lua_cases.paths() if "modules/" not in path])
def test_each_option_is_set_by_a_case(path):
    cases = lua_cases.load(path)["cases"]
    configs = [case.get("config", {}) for case in cases]
    configs += [step.get("restart", {}) for case in cases for step in case["steps"]]
    set_here = {option for config in configs for option in config}
    assert options_of(path) <= set_here


@pytest.mark.parametrize("path", lua_cases.paths())
def test_results_are_as_expected(path):
    cases = lua_cases.load(path)["cases"]
    assert cases
    for case, found in zip(cases, lua_cases.run(RIG, path, cases)):
        assert found == case["expect"], case["name"]


def upstream_folders():
    library = os.path.join(HEKA, "sandbox", "lua")
    return library, ";".join([os.path.join(library, "modules"),
                              os.path.join(LUA_SANDBOX, "modules")])


def has_upstream(path):
    folder, name = path.split("/")
    library, modules = upstream_folders()
    folders = modules.split(";") if folder == "modules" else [os.path.join(library, folder)]
    return any(os.path.exists(os.path.join(where, name + ".lua")) for where in folders)


def grammar_tests():
    folder = os.path.join(LUA_SANDBOX, "src", "test", "lua")
    names = os.listdir(folder) if LUA_SANDBOX else []
    return [os.path.join(folder, name) for name in sorted(names)
            if name == "util_test.lua" or name.startswith("lpeg_")]


@pytest.mark.skipif(not LUA_SANDBOX, reason="LUA_SANDBOX_UPSTREAM is not set: no tests of others")
def test_the_grammar_tests_of_lua_sandbox_pass(tmp_path):
    failed = {}
    assert grammar_tests()
    for path in grammar_tests():
        script = tmp_path / os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            script.write_text(file.read() + "\nfunction process_message() return process(0) end\n")
        case = {"script": str(script), "steps": [{"message": {}}]}
        result = lua_cases.run(RIG, "filters/any", [case])[0]
        if result != [{"status": 0}]:
            failed[script.name] = result
    assert not failed


@pytest.mark.skipif(not HEKA or not LUA_SANDBOX, reason="HEKA_UPSTREAM or LUA_SANDBOX_UPSTREAM is "
                    "not set: nothing to compare with")
@pytest.mark.parametrize("path", lua_cases.paths())
def test_our_files_go_on_with_the_state_of_hekas(path):
    cases = [case for case in lua_cases.load(path)["cases"]
             if any("restart" in step for step in case["steps"])]
    if not cases:
        pytest.skip(f"{path} has no state")
    library, modules = upstream_folders()
    for case, found in zip(cases, lua_cases.run(RIG, path, cases, library, modules, True)):
        assert found == case["expect"], case["name"]


@pytest.mark.skipif(not HEKA or not LUA_SANDBOX, reason="HEKA_UPSTREAM or LUA_SANDBOX_UPSTREAM is "
                    "not set: nothing to compare with")
@pytest.mark.parametrize("path", lua_cases.paths())
def test_results_are_as_those_of_hekas_files(path):
    if not has_upstream(path):
        pytest.skip(f"{path} is ours alone")
    cases = lua_cases.load(path)["cases"]
    library, modules = upstream_folders()
    different = []
    for case, found in zip(cases, lua_cases.run(RIG, path, cases, library, modules)):
        if "alone" in case:
            continue
        if "differs" in case:
            assert found != case["expect"], f"{case['name']}: does not differ any more"
        elif found != case["expect"]:
            different.append(f"{case['name']}\n  Heka's {found}\n  ours   {case['expect']}")
    assert not different, "\n".join(different)
