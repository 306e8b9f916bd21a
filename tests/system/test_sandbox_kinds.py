# SPDX-License-Identifier: MPL-2.0
"""SandboxDecoder, SandboxEncoder and SandboxOutput: scripts that hekad calls and waits for."""
import os
import re

import heka
import sandbox

INPUT = """
[lines]
type = "UdpInput"
address = "127.0.0.1:%d"
decoder = "script"
send_decode_failures = true

[script]
type = "SandboxDecoder"
filename = "%s"
%s
"""

FILE = """
[out]
type = "FileOutput"
message_matcher = "%s"
path = "{dir}/out.txt"
encoder = "%s"
flush_interval = 20
"""

RST = FILE % ("TRUE", "RstEncoder") + "[RstEncoder]\n"


def start(lab, decoder, options="", rest=RST):
    port = heka.free_port()
    path = sandbox.script(lab, "decoder.lua", decoder)
    return port, lab.agent("agent", INPUT % (port, path, options) + rest)


def output_row(name, status):
    return next(row for row in status["consumers"] if row["name"] == name)


# [option SandboxDecoder.filename] [option SandboxDecoder.config]
def test_a_decoder_makes_several_messages_that_inherit_headers(lab):
    port, agent = start(lab, """
        local kind = read_config("kind")
        function process_message()
            local n = tonumber(read_message("Payload"):match("line (%d+)"))
            inject_message({Type = kind, Fields = {n = n, half = 1}})
            inject_message({Type = kind, Logger = "own", Severity = 3, Fields = {n = n, half = 2}})
            return 0
        end
        """, "[script.config]\nkind = 'half'\n")
    sandbox.send(port, 0, 50)
    agent.wait("all of them", lambda status: sandbox.output(lab).count(":Type: half") == 100)
    text = sandbox.output(lab)
    assert text.count(":Logger: lines") == 50 and text.count(":Logger: own") == 50
    assert text.count(":Severity: 3") == 50
    sandbox.assert_books(agent)


def test_write_message_changes_the_message_itself(lab):
    port, agent = start(lab, """
        require "string"
        function process_message()
            write_message("Type", "written")
            write_message("Fields[length]", #read_message("Payload"), "count")
            return 0
        end
        """)
    sandbox.send(port, 7, 8)
    agent.wait("the message", lambda status: ":Type: written" in sandbox.output(lab))
    assert 'name:"length"' in sandbox.output(lab) and ":Payload: line 7" in sandbox.output(lab)


def test_what_a_decoder_refuses_says_why(lab):
    port, agent = start(lab, """
        function process_message() return -1, "not mine" end
        """)
    sandbox.send(port, 1, 2)
    agent.wait("the refused message", lambda status: "decode_error" in sandbox.output(lab))
    assert "Failed parsing: not mine payload: line 1" in sandbox.output(lab)
    sandbox.assert_books(agent)


# [option SandboxDecoder.instruction_limit] [option SandboxDecoder.memory_limit]
def test_a_decoder_that_runs_away_ends_and_the_input_goes_on(lab):
    port, agent = start(lab, """
        function process_message() while true do end end
        """, "instruction_limit = 5000\nmemory_limit = 100000\n")
    sandbox.send(port, 0, 20)
    agent.wait("all of them", lambda status: sandbox.output(lab).count("decode_error") == 20)
    assert "SandboxDecoder has been terminated" in sandbox.output(lab)
    assert "instruction_limit exceeded" in sandbox.output(lab)
    sandbox.assert_books(agent)


# [option SandboxDecoder.preserve_data]
def test_a_decoder_keeps_its_state(lab):
    counting = """
        require "string"
        count = 0
        function process_message()
            count = count + 1
            write_message("Type", "count." .. count)
            return 0
        end
        """
    port, agent = start(lab, counting, "preserve_data = true\n")
    sandbox.send(port, 0, 3)
    agent.wait("three", lambda status: "count.3" in sandbox.output(lab))
    agent.process.stop()
    assert os.listdir(lab.path("agent", "base", "sandbox_preservation")) == ["script.data"]
    agent.start()
    sandbox.send(port, 0, 1)
    agent.wait("a fourth", lambda status: "count.4" in sandbox.output(lab))


# [option SandboxEncoder.filename] [option SandboxEncoder.config]
def test_an_encoder_says_what_is_written(lab):
    encoder = sandbox.script(lab, "encoder.lua", """
        local mark = read_config("mark")
        function process_message()
            local text = read_message("Payload")
            if text == "line 1" then return -2 end           -- nothing to send
            if text == "line 2" then return -1, "not this" end
            if text == "line 3" then text = text:rep(400) end  -- more than output_limit
            add_to_payload(mark, text, "\\n")
            inject_payload()
            return 0
        end
        """)
    passing = "function process_message() return 0 end"
    port, agent = start(lab, passing, "", FILE % ("TRUE", "lua") + f"""
        [lua]
        type = "SandboxEncoder"
        filename = "{encoder}"
        output_limit = 1024
        [lua.config]
        mark = "> "
        """)
    sandbox.send(port, 0, 3)
    sandbox.send(port, 4, 5)
    agent.wait("what is written", lambda status: sandbox.output(lab) == "> line 0\n> line 4\n")
    status = sandbox.assert_books(agent)
    row = output_row("out", status)
    assert row["ends"]["encode_failed"] == 1
    sandbox.send(port, 3, 4)
    agent.wait("the end of the script", lambda status: "output_limit exceeded" in
               agent.process.output() + agent.process.output("err"))


# [option SandboxOutput.filename] [option SandboxOutput.config]
# [option SandboxOutput.timer_event_on_shutdown]
# [option SandboxOutput.output_limit] an output makes no payload: it limits nothing
def test_an_output_may_write_files(lab):
    path = sandbox.script(lab, "output.lua", """
        require "io"
        local file = assert(io.open(read_config("path"), "a"))
        function process_message()
            if read_message("Payload") == "line 3" then return -1, "not three" end
            file:write(read_message("Payload"), "\\n")
            return 0
        end
        function timer_event(ns)
            file:write("the end\\n")
            file:close()
        end
        """)
    passing = "function process_message() return 0 end"
    port, agent = start(lab, passing, "", f"""
        [own]
        type = "SandboxOutput"
        message_matcher = "TRUE"
        filename = "{path}"
        timer_event_on_shutdown = true
        output_limit = 1
        [own.config]
        path = "{lab.path('own.txt')}"
        """)
    sandbox.send(port, 0, 10)
    agent.wait("all of them", lambda status: output_row("own", status)["read"] == 10)
    agent.wait("their end", lambda status: output_row("own", status)["in_flight"] == 0)
    status = sandbox.assert_books(agent)
    row = output_row("own", status)
    assert row["delivered"] == 9 and row["ends"] == {"refused": 1}
    agent.process.stop()
    lines = [f"line {number}" for number in range(10) if number != 3]
    assert open(lab.path("own.txt"), encoding="utf-8").read().splitlines() == [*lines, "the end"]


# [option outputs.can_exit]
def test_an_output_that_dies_leaves_hekad_running(lab):
    path = sandbox.script(lab, "output.lua", "function process_message() error('broken') end")
    passing = "function process_message() return 0 end"
    port, agent = start(lab, passing, "", FILE % ("TRUE", "PayloadEncoder") +
                        f"[PayloadEncoder]\n[own]\ntype = 'SandboxOutput'\n"
                        f"message_matcher = 'TRUE'\nfilename = '{path}'\n")
    sandbox.send(port, 0, 5)
    agent.wait("the other output", lambda status: sandbox.output(lab).count("line") == 5)
    agent.wait("its end", lambda status: "broken" in agent.process.output() +
               agent.process.output("err"))
    sandbox.send(port, 5, 10)
    agent.wait("the other output", lambda status: sandbox.output(lab).count("line") == 10)


def input_section(path, options="", config=""):
    return f"""
        [made]
        type = "SandboxInput"
        filename = "{path}"
        {options}
        {config}
        """


# [option SandboxInput.filename] [option SandboxInput.config] [option SandboxInput.ticker_interval]
def test_an_input_runs_again_and_again(lab):
    path = sandbox.script(lab, "input.lua", """
        local runs, per_run = 0, read_config("per_run")
        function process_message()
            runs = runs + 1
            for i = 1, per_run do
                inject_message({Type = "made", Payload = "run " .. runs .. " message " .. i})
            end
            return 0
        end
        """)
    agent = lab.agent("agent", input_section(path, "ticker_interval = 1",
                                             "[made.config]\nper_run = 2000") + RST)
    agent.wait("two runs", lambda status: "run 2 message 2000" in sandbox.output(lab))
    agent.process.stop()
    text = sandbox.output(lab)
    runs = text.count(":Type: made") // 2000
    assert runs >= 2 and text.count(":Type: made") == 2000 * runs
    assert [f"run {run} message {i}" in text for run in range(1, runs + 1)
            for i in (1, 1000, 2000)] == [True] * 3 * runs


# [option SandboxInput.preserve_data]
def test_an_endless_input_goes_on_where_it_was_stopped(lab):
    path = sandbox.script(lab, "input.lua", """
        count = 0
        function process_message()
            while true do
                count = count + 1
                if count % 10000 == 0 then
                    inject_message({Type = "made", Payload = "count " .. count .. ".",
                                    Timestamp = 1400000000e9})
                end
            end
        end
        """)
    section = input_section(path, "preserve_data = true",
                            '[made.config]\ntz = "America/Los_Angeles"') + RST
    agent = lab.agent("agent", section)
    agent.wait("some", lambda status: "count 50000." in sandbox.output(lab))
    agent.process.stop()
    first = [int(word) for word in re.findall(r"count ([0-9]+)\.", sandbox.output(lab))]
    assert "shutting down" not in agent.process.output("err"), agent.process.output("err")
    agent.start()
    agent.wait("more", lambda status: f"count {first[-1] + 50000}." in sandbox.output(lab))
    agent.process.stop()
    text = sandbox.output(lab)
    counts = [int(word) for word in re.findall(r"count ([0-9]+)\.", text)]
    assert counts == list(range(10000, counts[-1] + 1, 10000))
    assert ":Timestamp: 2014-05-13 23:53:20 +0000 UTC" in text  # 16:53:20 in UTC


# [option inputs.can_exit]
def test_an_input_without_ticker_runs_once_and_hekad_goes_on(lab):
    path = sandbox.script(lab, "input.lua", """
        require "io"
        function process_message()
            for line in io.lines(read_config("path")) do
                inject_message({Type = "line", Payload = line})
            end
            return 0
        end
        """)
    lines = [f"number {i}" for i in range(5000)]
    sandbox.script(lab, "lines.txt", "\n".join(lines) + "\n")
    agent = lab.agent("agent", input_section(path, "",
                                             f"[made.config]\npath = \"{lab.path('lines.txt')}\"") +
                      FILE % ("Type == 'line'", "PayloadEncoder") +
                      "[PayloadEncoder]\nappend_newlines = true\n")
    agent.wait("all lines", lambda status: sandbox.output(lab).splitlines() == lines)
    agent.wait("the end of its run", lambda status: "single run completed" in
               agent.process.output())
    assert agent.status()["state"] == "running"


def test_an_endless_input_is_stopped_and_loses_nothing(lab):
    path = sandbox.script(lab, "input.lua", """
        count = 0
        function process_message()
            while true do
                count = count + 1
                inject_message({Type = "made", Payload = "number " .. count})
                for i = 1, 1e5 do end
            end
        end
        """)
    agent = lab.agent("agent", input_section(path) + FILE % ("Type == 'made'", "PayloadEncoder") +
                      "[PayloadEncoder]\nappend_newlines = true\n")
    agent.wait("some", lambda status: "number 100\n" in sandbox.output(lab))
    agent.process.stop()
    before = sandbox.output(lab).splitlines()
    assert before == [f"number {i + 1}" for i in range(len(before))]


def test_an_input_that_errs_says_so(lab):
    path = sandbox.script(lab, "input.lua", "function process_message() error('broken') end")
    agent = lab.agent("agent", input_section(path) + RST)
    agent.wait("its end", lambda status: "broken" in agent.process.output() +
               agent.process.output("err"))
    assert agent.status()["state"] == "running"
