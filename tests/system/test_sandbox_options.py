# SPDX-License-Identifier: MPL-2.0
"""What the options that all sandboxed kinds have do to each of them."""
import pytest

import heka
import sandbox

DECODER = """
[lines]
type = "UdpInput"
address = "127.0.0.1:{port}"
decoder = "script"
send_decode_failures = true
"""

LINES = """
[lines]
type = "UdpInput"
address = "127.0.0.1:{port}"
"""

OUT = """
[out]
type = "FileOutput"
message_matcher = "TRUE"
path = "{{dir}}/out.txt"
encoder = "{encoder}"
flush_interval = 20
[RstEncoder]
"""

# What a kind does with the text that work() returns, and the sections around it.
KINDS = {
    "SandboxDecoder": ("write_message('Fields[result]', work())", DECODER + OUT, "RstEncoder"),
    "SandboxEncoder": ("add_to_payload(work(), '\\n') inject_payload()", LINES + OUT, "script"),
    "SandboxOutput": ("file:write(work(), '\\n') file:flush()", LINES, ""),
    "SandboxInput": ("inject_message({Type = 'made', Fields = {result = work()}})", OUT,
                     "RstEncoder"),
}


class Rig:
    """A hekad with one script of a kind."""

    def __init__(self, lab, kind):
        self.lab, self.kind, self.port, self.agent = lab, kind, heka.free_port(), None

    def script(self, work):
        use = KINDS[self.kind][0]
        head = ""
        if self.kind == "SandboxOutput":
            head = f"require 'io'\nlocal file = io.open('{self.lab.path('own.txt')}', 'a')\n"
        return sandbox.script(self.lab, "script.lua", f"{head}require 'string'\n{work}\n"
                              f"function process_message() {use} return 0 end\n")

    def sections(self, work, options=()):
        _, around, encoder = KINDS[self.kind]
        lines = ["[script]", f'type = "{self.kind}"', f'filename = "{self.script(work)}"', *options]
        if self.kind == "SandboxOutput":
            lines.append('message_matcher = "TRUE"')
        if self.kind == "SandboxInput":
            lines.append("ticker_interval = 1")
        return around.format(port=self.port, encoder=encoder) + "\n".join(lines) + "\n"

    def start(self, work, options=()):
        self.agent = self.lab.agent("agent", self.sections(work, options))
        return self

    def send(self):
        if self.kind != "SandboxInput":
            sandbox.send(self.port, 0, 1)

    def text(self):
        found = [sandbox.output(self.lab), self.agent.process.output(),
                 self.agent.process.output("err")]
        try:
            with open(self.lab.path("own.txt"), encoding="utf-8") as file:
                found.append(file.read())
        except FileNotFoundError:
            pass
        return "\n".join(found)

    def wait(self, what):
        self.agent.wait(what, lambda status: what in self.text())

    def gives(self, what):
        self.send()
        self.wait(what)


@pytest.fixture(params=KINDS)
def rig(request, lab):
    return Rig(lab, request.param)


# [option SandboxDecoder.module_directory] [option SandboxEncoder.module_directory]
# [option SandboxOutput.module_directory] [option SandboxInput.module_directory]
def test_modules_are_where_it_says(rig, lab):
    sandbox.script(lab, "answer.lua", "return {value = 'answer 42'}")
    rig.start("local answer = require 'answer'\nfunction work() return answer.value end",
              [f'module_directory = "{lab.dir}"']).gives("answer 42")


# [option SandboxDecoder.memory_limit] [option SandboxEncoder.memory_limit]
# [option SandboxOutput.memory_limit] [option SandboxInput.memory_limit]
def test_memory_is_limited(rig):
    rig.start("function work() local t = {} for i = 1, 1e5 do t[i] = {i} end return 'much' end",
              ["memory_limit = 600000"]).gives("not enough memory")


# [option SandboxDecoder.instruction_limit] [option SandboxEncoder.instruction_limit]
# [option SandboxOutput.instruction_limit] [option SandboxInput.instruction_limit]
def test_instructions_are_limited_but_for_inputs_and_outputs(rig):
    rig.start("function work() for i = 1, 1e5 do end return 'all of it' end",
              ["instruction_limit = 5000"])
    is_limited = rig.kind in ("SandboxDecoder", "SandboxEncoder")
    rig.gives("instruction_limit exceeded" if is_limited else "all of it")


# [option SandboxDecoder.output_limit] [option SandboxEncoder.output_limit]
# [option SandboxInput.output_limit]
@pytest.mark.parametrize("kind", ["SandboxDecoder", "SandboxEncoder", "SandboxInput"])
def test_output_is_limited(lab, kind):
    rig = Rig(lab, kind)
    work = "function work() return string.rep('x', 5000) end"
    if kind == "SandboxDecoder":
        work = ("function work() inject_message({Fields = {a = string.rep('x', 5000)}}) "
                "return 'injected' end")
    rig.start(work, ["output_limit = 1024"]).gives("output_limit exceeded")


# [option SandboxDecoder.jit] [option SandboxEncoder.jit]
@pytest.mark.parametrize("kind", ["SandboxDecoder", "SandboxEncoder"])
def test_compiled_scripts_have_no_instruction_limit(lab, kind):
    rig = Rig(lab, kind)
    rig.start("function work() local n = 0 for i = 1, 1e6 do n = n + 1 end return 'n ' .. n end",
              ["instruction_limit = 5000", "jit = true"]).gives("n 1000000")


# [option SandboxDecoder.revision] [option SandboxEncoder.revision]
# [option SandboxOutput.revision] [option SandboxInput.revision]
def test_another_revision_loads_the_script_again(rig):
    rig.start("function work() return 'first' end", ['revision = "1"']).gives("first")
    sections = rig.sections("function work() return 'second' end", ['revision = "2"'])
    rig.agent.rewrite(sections)
    assert rig.agent.ask("reload")["ok"]
    rig.gives("second")


# [option SandboxDecoder.preserve_data] [option SandboxEncoder.preserve_data]
# [option SandboxOutput.preserve_data] [option SandboxInput.preserve_data]
def test_globals_survive_a_restart(rig):
    rig.start("runs = 0\nfunction work() runs = runs + 1 return 'run ' .. runs .. '.' end",
              ["preserve_data = true"]).gives("run 1.")
    rig.agent.process.stop()
    assert "run 5." not in rig.text()
    rig.agent.start()
    for run in range(2, 6):
        rig.gives(f"run {run}.")


# [option SandboxDecoder.script_type] [option SandboxEncoder.script_type]
# [option SandboxOutput.script_type] [option SandboxInput.script_type]
def test_only_lua_is_there(rig, lab):
    status, text = lab.check(rig.sections("function work() return '' end",
                                          ['script_type = "js"']))
    assert status == 1 and "unsupported script type: js" in text
