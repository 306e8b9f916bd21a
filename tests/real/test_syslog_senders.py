# SPDX-License-Identifier: MPL-2.0
"""test_syslog_senders.py - rsyslog and syslog-ng, as Debian has them, send a file over UDP and TCP
in both formats and both framings, and every line arrives with the right fields: over TCP once and
in order, over UDP as many as the kernel did not drop. HEKA_SOAK=N sends N times 10,000 lines.

The senders are unpacked by `deploy/install-deps test`, and run with nothing but the files that are
written here. Who receives is a class of its own, so that there can be several."""
import json
import os
import socket
import time

import heka
import pytest
from appliance import PROFILE_DIR
from heka_wire import frames
from process import wait_for

LINES = 10000 * int(os.environ.get("HEKA_SOAK", "1"))
TIMEOUT_S = 120 + LINES // 500
SENDERS = "/opt/hekaline-senders"
RSYSLOG = os.path.join(SENDERS, "rsyslog")
SYSLOG_NG = os.path.join(SENDERS, "syslog-ng-core")
HOST, PROGRAM, PID = "sender.example", "shop-frontend", 77
FACILITY, SEVERITY = 19, 4  # local3.warning
CHUNK = 1 << 24
PAUSE_US = 4000  # between two batches over UDP to a port


@pytest.fixture
def lab():
    made = heka.Lab()
    yield made
    made.close()


def line(index):
    """Different in each, of different lengths, with what a parser could take for something else."""
    return (f"{index} <13>1 [a@1 k=\"v\"] tag[5]: é€😀 {'x' * (index % 197)} "
            f"Jan  1 00:00:00 {index * 7919 % 100003}")


def write_lines(path):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(line(index) + "\n" for index in range(LINES))


# ---- senders ----

RSYSLOG_CONF = """
global(workDirectory="{dir}" localHostname="{host}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
input(type="imfile" file="{dir}/lines.txt" tag="{program}[{pid}]:" facility="local3"
      severity="warning" ruleset="forward" addMetadata="off")
ruleset(name="forward" queue.type="LinkedList" queue.size="{queue}" queue.timeoutEnqueue="600000"
        queue.dequeueBatchSize="{batch}" queue.dequeueSlowDown="{pause_us}") {{
    action(type="omfwd" target="{address}" port="{port}" protocol="{transport}" {framing}
           template="{template}" action.resumeRetryCount="-1")
}}
"""


def rsyslog(lab, folder, case, receiver):
    words = {
        "dir": folder, "host": HOST, "program": PROGRAM, "pid": PID, "address": receiver.address,
        "port": receiver.port, "transport": case.transport, "queue": 50000,
        "batch": receiver.batch or 1024, "pause_us": PAUSE_US if receiver.batch else 0,
        "framing": f'TCP_Framing="{"octet-counted" if case.counted else "traditional"}"'
                   if case.transport == "tcp" else "",
        "template": {"3164": "RSYSLOG_TraditionalForwardFormat", "iso": "RSYSLOG_ForwardFormat",
                     "5424": "RSYSLOG_SyslogProtocol23Format"}[case.format]}
    config = os.path.join(folder, "rsyslog.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(RSYSLOG_CONF.format(**words))
    return lab.process("rsyslogd", receiver.namespace.command(
        f"{RSYSLOG}/usr/sbin/rsyslogd", "-n", "-f", config, "-i", os.path.join(folder, "pid"),
        "-M", f"{RSYSLOG}/usr/lib/x86_64-linux-gnu/rsyslog"))


SYSLOG_NG_CONF = """@version: 3.38
options {{ stats-freq(0); chain-hostnames(no); keep-hostname(yes); log-msg-size(65536);
           flush-lines(100); threaded(yes); }};
source lines {{
    file("{dir}/lines.txt" flags(no-parse, no-hostname) program-override("{program}")
         host-override("{host}") default-facility(local3) default-priority(warning)
         follow-freq(1) log-fetch-limit(1000) log-iw-size(20000));
}};
rewrite process {{ set("{pid}", value("PID")); }};
destination there {{
    {driver}("{address}" port({port}) transport("{transport}") {flags}
             log-fifo-size(50000) {throttle} persist-name("there"));
}};
log {{ source(lines); rewrite(process); destination(there); flags(flow-control); }};
"""


def syslog_ng(lab, folder, case, receiver):
    words = {
        "dir": folder, "host": HOST, "program": PROGRAM, "pid": PID, "address": receiver.address,
        "port": receiver.port, "transport": case.transport,
        "throttle": f"throttle({receiver.batch * 1000000 // PAUSE_US // 2})" if receiver.batch
                    else "",
        "driver": "syslog" if case.counted or (case.format, case.transport) == ("5424", "udp")
                  else "network",
        "flags": "flags(syslog-protocol)" if case.format == "5424" and not case.counted else
                 "ts-format(iso)" if case.format == "iso" else ""}
    config = os.path.join(folder, "syslog-ng.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(SYSLOG_NG_CONF.format(**words))
    libraries = f"{SYSLOG_NG}/usr/lib/syslog-ng"
    return lab.process("syslog-ng", receiver.namespace.command(
        f"{SYSLOG_NG}/usr/sbin/syslog-ng", "--foreground", "--no-caps", f"--cfgfile={config}",
        f"--module-path={libraries}/3.38", f"--persist-file={folder}/persist",
        f"--pidfile={folder}/pid", f"--control={folder}/control"),
        environment={"LD_LIBRARY_PATH": libraries})


class Case:
    """`counted`: octet counting (RFC 6587) instead of a newline behind each message."""

    def __init__(self, sender, form, transport, counted=False):
        self.sender, self.format, self.transport, self.counted = sender, form, transport, counted

    def __repr__(self):
        framing = ["-counted" if self.counted else "-lines"] if self.transport == "tcp" else []
        return "".join([self.sender.__name__, "-", self.format, "-", self.transport, *framing])


CASES = [
    Case(rsyslog, "3164", "udp"),
    Case(rsyslog, "5424", "udp"),
    Case(rsyslog, "3164", "tcp"),
    Case(rsyslog, "iso", "tcp"),
    Case(rsyslog, "3164", "tcp", counted=True),
    Case(rsyslog, "5424", "tcp"),
    Case(rsyslog, "5424", "tcp", counted=True),
    Case(syslog_ng, "3164", "udp"),
    Case(syslog_ng, "5424", "udp"),
    Case(syslog_ng, "3164", "tcp"),
    Case(syslog_ng, "iso", "tcp"),
    Case(syslog_ng, "5424", "tcp"),
    Case(syslog_ng, "5424", "tcp", counted=True),
]


# ---- receivers ----

SECTIONS = """
[in]
type = "{input}"
address = "{address}:{port}"
splitter = "pieces"
decoder = "syslog"

[pieces]
type = "{splitter}"

[syslog]
type = "SyslogDecoder"
message_type = "syslog"

[out]
type = "FileOutput"
message_matcher = "TRUE"
path = "{{dir}}/out.bin"
encoder = "ProtobufEncoder"
"""


class Receiver:
    """`address` and `port` are where senders find it, from `namespace`."""

    namespace = address = port = process = hekad = None
    batch = None  # lines that senders send at once; None: as fast as they can

    def sections(self, case):
        is_udp = case.transport == "udp"
        splitter = ("NullSplitter" if is_udp else
                    "OctetCountingSplitter" if case.counted else "TokenSplitter")
        return SECTIONS.format(input="UdpInput" if is_udp else "TcpInput", address=self.address,
                               port=self.port, splitter=splitter)

    def dropped(self, status):
        """Datagrams that the kernel had no room for."""
        raise NotImplementedError

    def text(self, status):
        return next((stage for stage in status["stages"] if stage["process"] == self.process and
                     stage["stage"] == "text"), {"in": 0, "ends": {}})

    def progress(self):
        """Messages that are accounted for."""
        status = self.hekad.status()
        return self.text(status)["in"] + self.dropped(status) if status is not None else 0

    def finish(self):
        """Waits until nothing is in flight. (path of all messages, how many were dropped)"""
        status = self.hekad.settle()
        ends = self.text(status)["ends"]
        assert set(ends) <= {"text_messages"}, ends
        self.hekad.stop()
        return os.path.join(self.hekad.folder, "out.bin"), self.dropped(status)


class KernelReceiver(Receiver):
    """hekad's UdpInput or TcpInput on the loopback."""

    namespace, address, process = heka.Here, "127.0.0.1", "hekad"

    def __init__(self, lab, case):
        self.counts_drops = case.transport == "udp"
        self.port = heka.free_port(socket.SOCK_DGRAM if self.counts_drops else socket.SOCK_STREAM)
        self.hekad = lab.agent("agent", self.sections(case))

    def dropped(self, status):
        return self.hekad.input("in", status)["socket_drops"] if self.counts_drops else 0


def profiles_with_a_large_ring(lab):
    """Room for half a second of datagrams: the machine of a test does other things, too."""
    folder = lab.path("profiles")
    heka.copy_tree(PROFILE_DIR, folder)
    path = os.path.join(folder, "af_packet.json")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert "framecnt=1024" in text
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("framecnt=1024", "framecnt=16384"))
    return folder


class PortReceiver(Receiver):
    """UdpInput or TcpInput of a data plane. What af_packet's ring has no room for has come to the
    interface, and not to the data plane; senders of UDP send what fits into the ring, and pause."""

    address, port, process = heka.PORT_IP4, 6514, "dataplane"

    def __init__(self, lab, case):
        self.wire = lab.wire()
        self.namespace = self.wire.outer
        self.batch = 128 if case.transport == "udp" else None
        options = {"profile_dir": profiles_with_a_large_ring(lab)} if self.batch else {}
        self.hekad = lab.appliance(self.wire.inner, self.sections(case), options=options)
        self.lost = 0
        self.before = self.arrived() - self.taken(self.hekad.status())

    def arrived(self):
        """Frames, by the interface."""
        found = json.loads(self.wire.inner.run("ip", "-json", "-stats", "link", "show", heka.PORT))
        return found[0]["stats64"]["rx"]["packets"]

    @staticmethod
    def taken(status):
        return status["dataplane"]["counters"]["frames_rx"]

    def dropped(self, status):
        return self.lost if self.batch else 0

    def progress(self):
        arrived = self.arrived()  # first: what comes meanwhile is not taken for lost
        status = self.hekad.status()
        self.lost = max(0, arrived - self.before - self.taken(status))
        return self.text(status)["in"] + self.dropped(status)

    def finish(self):
        def is_quiet():
            self.progress()
            before = self.lost
            self.progress()
            return self.lost == before
        wait_for("the port to be quiet", is_quiet)
        return super().finish()


def messages(path):
    rest = b""
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            found, rest = frames(rest + data)
            yield from found
    assert rest == b""


# ---- what has to arrive ----

def check(message, case, started):
    fields = {name: values for name, values in message.get("Fields", [])}
    assert message["Type"] == "syslog"
    assert message["Hostname"] == HOST
    assert message["Severity"] == SEVERITY
    assert message["Pid"] == PID
    assert fields.pop("syslogfacility") == [FACILITY]
    assert fields.pop("programname") == [PROGRAM]
    if case.format == "5424" and case.sender is syslog_ng:  # says how good its clock is
        fields.pop("timeQuality.isSynced", None)
        fields.pop("timeQuality.tzKnown", None)
        fields.pop("meta.sequenceId", None)
    assert not fields
    second = 10 ** 9  # of a timestamp in RFC 3164
    assert started - second <= message["Timestamp"] <= time.time_ns()


def check_lines(lab, case, make_receiver):
    if not os.path.isdir(SENDERS):
        pytest.skip("real: deploy/install-deps test has not been run")
    started = time.time_ns()
    folder = lab.path("sender")
    os.makedirs(folder)
    write_lines(os.path.join(folder, "lines.txt"))
    receiver = make_receiver(lab, case)
    sender = case.sender(lab, folder, case, receiver)
    wait_for("all lines", lambda: receiver.progress() >= LINES, TIMEOUT_S, [sender])
    sender.stop()
    path, dropped = receiver.finish()
    assert case.transport == "udp" or dropped == 0
    count, seen = 0, bytearray(LINES)
    for message in messages(path):
        check(message, case, started)
        index = int(message["Payload"].split(" ", 1)[0])
        assert message["Payload"] == line(index)
        assert not seen[index]
        assert index == count or case.transport == "udp"  # which promises no order
        seen[index] = 1
        count += 1
    assert count + dropped == LINES
    print(f"{case}: {count} lines, {dropped} dropped by the kernel")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_kernel_sockets(lab, case):
    check_lines(lab, case, KernelReceiver)


@heka.needs_namespaces
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_port(lab, case):
    check_lines(lab, case, PortReceiver)
