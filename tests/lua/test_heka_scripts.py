# SPDX-License-Identifier: MPL-2.0
"""test_heka_scripts.py - the scripts that Heka tests its sandbox with (sandbox/lua/testsupport of
HEKA_UPSTREAM) in ours, with the results that Heka's tests state. Scripts that use a module run with
Heka's and with our modules."""
import json
import os

import lua_cases
import pytest

RIG = os.path.join(os.environ.get("HEKA_BIN_DIR", "build/dev/bin"), "lua_rig")
HEKA = os.environ.get("HEKA_UPSTREAM", "")
SCRIPTS = os.path.join(HEKA, "sandbox", "lua", "testsupport")
HEKAS_MODULES = os.path.join(HEKA, "sandbox", "lua", "modules")
OUR_MODULES = os.path.join(lua_cases.LIBRARY, "modules")

pytestmark = pytest.mark.skipif(not HEKA, reason="HEKA_UPSTREAM is not set: no scripts of others")

HEADERS = {"Type": "TEST", "Timestamp": 5123456789, "Pid": 77, "Logger": "GoSpec", "Severity": 6,
           "EnvVersion": "0.8", "Hostname": "my.host.name",
           "Fields": [["foo", "bar"], ["bytes", {"bytes": "data"}], ["int", [999, 1024]],
                      ["double", 99.9], ["bool", True], ["foo", "alternate"], ["false", False],
                      ["empty_bytes", {"bytes": ""}]]}


def step(**members):
    return {"message": dict(HEADERS, **members)}


def run(name, steps, kind="filter", modules=OUR_MODULES, **more):
    case = {"script": os.path.join(SCRIPTS, name + ".lua"), "kind": kind, "steps": steps, **more}
    return lua_cases.run(RIG, "filters/any", [case], modules=modules)[0]


ERRORS = {
    "add_to_payload() no arg":
        "bad argument #0 to 'add_to_payload' (must have at least one argument)",
    "out of memory": "not enough memory",
    "out of instructions": "instruction_limit exceeded",
    "operation on a nil": "attempt to perform arithmetic on global 'x' (a nil value)",
    "invalid return": "must return a numeric status code",
    "no return": "must return a numeric status code",
    "read_message() incorrect number of args": "read_message() incorrect number of arguments",
    "read_message() incorrect field name type":
        "bad argument #1 to 'read_message' (string expected, got nil)",
    "read_message() negative field index":
        "bad argument #2 to 'read_message' (field index must be >= 0)",
    "read_message() negative array index":
        "bad argument #3 to 'read_message' (array index must be >= 0)",
    "output limit exceeded": "output_limit exceeded",
    "read_config() must have a single argument": "read_config() must have a single argument",
    "read_next_field() takes no arguments": "read_next_field() takes no arguments",
    "write_message() should not exist": "attempt to call global 'write_message' (a nil value)",
    "invalid error message": "must return a nil or string error message",
}

WRITE_ERRORS = {
    "too few parameters": "write_message() incorrect number of arguments",
    "too many parameters": "write_message() incorrect number of arguments",
    "Unknown field name": "write_message() failed",
    "Missing fields specifier": "write_message() failed",
    "Missing closing bracket": "write_message() failed",
    "Out of range field index": "write_message() failed",
    "Negative field index": "bad argument #4 to 'write_message' (field index must be >= 0)",
    "Negative array index": "bad argument #5 to 'write_message' (array index must be >= 0)",
    "nil field": "bad argument #1 to 'write_message' (string expected, got nil)",
    "empty uuid": "write_message() failed",
    "invalid uuid": "write_message() failed",
    "empty timestamp": "write_message() failed",
    "invalid timestamp": "write_message() failed",
    "bool severity": "write_message() failed",
    "double hostname": "write_message() failed",
    "invalid field type": "write_message() only accepts numeric, string, or boolean field values, "
                          "or nil to delete",
    "out of range field index deletion": "write_message() failed",
    "out of range field array index deletion": "write_message() failed",
}

ENCODE = "inject_message() could not encode protobuf - "
INJECT_ERRORS = {
    "error circular reference": "Cannot serialise, excessive nesting (1001)",
    "error escape overflow": "strbuf output_limit exceeded",
    "error mis-match field array": ENCODE + "array has mixed types",
    "error nil field": ENCODE + "unsupported type: nil",
    "error nil type arg": "bad argument #1 to 'inject_payload' (string expected, got nil)",
    "error nil name arg": "bad argument #2 to 'inject_payload' (string expected, got nil)",
    "error nil message": "inject_message() takes a single string or table argument",
    "error userdata output_limit": "output_limit exceeded",
    "error invalid protobuf string": "inject_message() protobuf unmarshal failed",
}

LIMITS = {"memory_limit": 80000, "instruction_limit": 1000, "output_limit": 128}
WIDE = {"memory_limit": 1000000, "instruction_limit": 100000, "output_limit": 1024}


@pytest.mark.parametrize("name, kind, limits, texts", [
    ("errors", "filter", LIMITS, ERRORS),
    ("write_message_errors", "decoder", LIMITS, WRITE_ERRORS),
    ("inject_message", "filter", WIDE, INJECT_ERRORS)])
def test_errors_have_hekas_texts(name, kind, limits, texts):
    found = {payload: run(name, [step(Payload=payload)], kind, limits=limits)[0]["terminated"]
             for payload in texts}
    assert found == {payload: "process_message() " + text for payload, text in texts.items()}


def payloads(result):
    assert all(found["status"] == 0 for found in result), result
    return [item.get("Payload") for found in result for item in found.get("injected", [])]


def test_what_is_injected():
    objects = {
        "cloudwatch metric": {
            "StatisticValues": [{"Minimum": 0, "SampleCount": 0, "Sum": 0, "Maximum": 0}] * 2,
            "Dimensions": [{"Name": "d1", "Value": "v1"}, {"Name": "d2", "Value": "v2"}],
            "MetricName": "example", "Timestamp": 0, "Value": 0, "Unit": "s"},
        "external reference": {"a": {"x": 1, "y": 2}},
        "array only": [1, 2, 3],
        "private keys": {"x": 1, "_m": 1, "_private": [1, 2]},
        "special characters": {"special\tcharacters": "\"\t\r\n\b\f\\/"},
        "internal reference": {"x": [1, 2, 3], "y": [2], "ir": [1, 2, 3]},
    }
    names = ["lua types", *objects]
    found = payloads(run("inject_message", [step(Payload=name) for name in names], limits=WIDE))
    assert found[0] == '{"value":1}1.2 string nil true false'
    assert found[1:] == [{"json": value} for value in objects.values()]


def test_messages_that_are_injected():
    names = ["message field all types", "round trip", "inject raw"]
    found = run("inject_message", [step(Payload=name) for name in names], limits=WIDE)
    first, second, third = (one["injected"][0] for one in found)
    assert first["Timestamp"] == 10**9 and first["Fields"] == [
        ["bool", "bool", [True]], ["bools", "bool", [True, False, False]],
        ["number", "double", [1]], ["numbers", "double", [1, 2, 3], "count"],
        ["string", "string", ["string"]], ["strings", "string", ["s1", "s2", "s3"]]]
    assert second["Fields"] == third["Fields"] == [["count", "double", [1, 1]]]


def test_reading_and_writing():
    assert run("read_next_field", [step()])[0]["status"] == 0
    for kind in ("encoder", "filter"):  # it injects at its top level, and has no function
        found = run("hello_world", [step()], kind)[0]
        assert found["terminated"] == "process_message() function was not found"
    config = {"string": "widget", "int64": 99, "double": 99.123, "bool": True}
    assert run("read_config", [step()], config=config) == [{"status": 0}]
    assert run("read_config", [step()], config={"string": "x"}) == [{"init": "Init() string"}]
    written = run("field_scribble", [step()], "decoder")[0]["result"]
    fields = {name: (kind, values) for name, kind, values, *_ in written.pop("Fields")}
    for name, value in {"Type": "MyType", "Logger": "MyLogger", "Payload": "MyPayload",
                        "EnvVersion": "000", "Hostname": "MyHostname", "Severity": 4, "Pid": 12345,
                        "Timestamp": 1385968914904958136}.items():
        assert abs(written[name] - value) < 500 if name == "Timestamp" else written[name] == value
    assert fields["String"] == ("string", ["foo"]) and fields["Float"] == ("double", [1.2345])
    assert fields["Int"] == ("double", [123, 456]) and fields[""] == ("string", ["bad idea"])
    assert "delete" not in fields and "nonexistent" not in fields


def test_decoders_and_encoders():
    lines = ["1376389920 debug id=2321 url=example.com item=1", "1376389920 bogus id=2321"]
    good, bad = run("decoder", [step(Payload=line) for line in lines], "decoder")
    assert good["injected"][0] == {
        "Timestamp": 1376389920 * 10**9, "Severity": 7, "Fields": [
            ["id", "string", ["2321"]], ["item", "string", ["1"]],
            ["url", "string", ["example.com"]]]}
    assert bad == {"status": -1, "text": "LPeg grammar failed to match"}
    packs = run("multipack_decoder", [step()], "decoder")
    assert payloads(packs) == ["message one", "message two", "message three"]
    message = [step(Payload="original", Type="my_type")]
    assert run("encoder_text", message, "encoder")[0]["result"] == "Prefixed original"
    assert run("encoder_raw", message, "encoder")[0]["result"]["Payload"] == "original"
    assert run("encoder_json", message, "encoder")[0]["result"]["json"]["Payload"] == "original"
    made = run("encoder_protobuf", message, "encoder")[0]["result"]
    assert (made["Payload"], made["Type"], made["Pid"]) == ("mutated", "after", 77)
    made = run("encoder_writemessage", message, "encoder")[0]["result"]
    assert (made["Payload"], made["Type"]) == ("mutated payload", "my_type")


def test_injections_are_limited():
    text = "inject_payload() exceeded InjectMessage count"
    found = run("processinject", [step()])[0]
    assert found["terminated"] == "process_message() " + text and len(found["injected"]) == 1
    found = run("timerinject", [step(), {"tick": 1}])[1]
    assert found["terminated"] == "timer_event() " + text and len(found["injected"]) == 10


def test_modules_in_c():
    assert run("cjson", [step(Payload='["foo", {"bar": "x", "foo": "bar"}]')]) == [{"status": 0}]
    line = '1,string with spaces,"quoted string, with comma and ""quoted"" text"'
    assert payloads(run("lpeg_csv", [step(Payload=line)])) == [
        {"json": ["1", "string with spaces", 'quoted string, with comma and "quoted" text']}]
    found = run("process_message_error_string", [step()])
    assert found == [{"status": -1, "text": "script provided error message"}]


@pytest.mark.parametrize("modules", [OUR_MODULES, HEKAS_MODULES])
def test_hekas_modules(modules):
    times = [step(Timestamp=n) for n in range(4)]
    assert payloads(run("alert", times[:3], modules=modules)) == [
        "alert1\nalert2\nalert3", "alert5", "alert8"]
    note = [{"text": "anomaly", "x": 1000, "shortText": "A", "col": 1},
            {"text": "anomaly2", "x": 5000, "shortText": "A", "col": 2},
            {"text": "maintenance", "x": 60000, "shortText": "M", "col": 1}]
    assert payloads(run("annotation", times, modules=modules)) == [
        {"json": {"annotations": note}}, {"json": {"annotations": note[2:]}},
        {"json": {"annotations": {}}}, "ok"]
    assert run("anomaly", [step()], modules=modules) == [{"status": 0}]


def test_the_lines_for_elasticsearch():
    """Heka's script compares texts of JSON, whose order is a hash's, so its calls are made here."""
    call = {"module": "elasticsearch", "member": "bulkapi_index_json"}
    for arguments, expected in (
            (["index-%{Logger}", "%{Type}"], {"_index": "index-GoSpec", "_type": "TEST"}),
            (["%{foo}-%{int}-%{bool}-%{false}"], {"_index": "bar-999-true-false"}),
            (["bar-%{Payload}-%{double}-%{missing}"],
             {"_index": "bar-%{Payload}-99.9-%{missing}"})):
        case = {"script": "module_call.lua",
                "steps": [{**call, "call": arguments, **step()}]}
        text = lua_cases.run(RIG, "modules/any", [case])[0][0]["injected"][0]
        pairs = ", ".join(f"{name} = {json.dumps(value)}" for name, value in expected.items())
        assert text == f"JSON {{index = {{{pairs}}}}}"
