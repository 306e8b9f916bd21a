#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
# [option StatAccumInput.message_type] [option StatAccumInput.names_max]
# [option StatAccumInput.timer_samples_max] [option StatAccumInput.prefix_names_max]
# [option StatAccumInput.sender_names_max]
"""make.py - writes the traces of this folder, and the plans and arguments that go with them.

    tests/golden/replay/make.py            rewrites NAME.pcap, NAME.plan.json, NAME.args

The same bytes come out each time. What must come out of a replay is NAME.expect: test_replay.py.
"""
import json
import os
import struct

from scapy.all import (ARP, ICMP, IP, TCP, UDP, Ether, ICMPv6EchoRequest, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, Raw, fragment, fragment6)

HERE = os.path.dirname(os.path.abspath(__file__))
START_S = 1_700_000_000
ETHER = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01")
OURS, THEIRS = "192.0.2.1", "192.0.2.2"
OURS6, THEIRS6 = "2001:db8::1", "2001:db8::2"
ADDRESSES = ["--address", f"{OURS}/24", "--address", f"{OURS6}/64"]

STATSD = {"name": "StatsdInput", "kind": "statsd", "address": f"{OURS}:8125",
          "accumulator": "StatAccumInput"}
ALL = {"name": "all", "message_matcher": "TRUE"}


def write_pcap(path, frames):
    """Classic pcap with one frame per microsecond."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for index, frame in enumerate(frames):
            data = bytes(frame)
            file.write(struct.pack("<IIII", START_S, index, len(data), len(data)))
            file.write(data)


def udp(payload, port=8125, source=THEIRS, to=OURS):
    return ETHER / IP(src=source, dst=to, id=1) / UDP(sport=40000, dport=port) / Raw(payload)


def udp6(payload, port=8125):
    return ETHER / IPv6(src=THEIRS6, dst=OURS6) / UDP(sport=40000, dport=port) / Raw(payload)


def plan(listeners, consumers=(ALL,), accumulators=({"name": "StatAccumInput"},), **more):
    return dict({"hostname": "aggregator1", "accumulators": list(accumulators),
                 "listeners": list(listeners), "consumers": list(consumers)}, **more)


def text(name, port, **options):
    return dict({"name": name, "kind": "text", "address": f"{OURS}:{port}"}, **options)


def tokens(**options):
    return dict({"type": "TokenSplitter"}, **options)


# ---- cases: function -> (frames, plan or None, arguments) ----

def statsd_good():
    """All types, sampling, repeated names, blank lines, no newline at the end, CRLF kept out."""
    return [
        udp("requests:1|c\nrequests:2|c\nload:0.5|g\nload:1.25|g\nlatency:10|ms\nlatency:20|ms\n"),
        udp("requests:3|c|@0.5\nlatency:10|ms|@0.1\nlatency:20|ms"),
        udp("\n\n  spaced:7|c  \n\n\thits:1|m\nhist:4|h\n"),
        udp("neg:-3|c\nneg:1|c\ndown:-2.5|g\nbig:123456789012|c\nhalf:2.9|c"),
        udp("name with blank:1|c\nslash/and-dash_x.y:1|c"),
    ], None, ADDRESSES


def statsd_bad_lines():
    """Every reason to refuse a line; the lines around it count."""
    return [
        udp("good.a:1|c\nno colon here\ngood.b:1|c"),
        udp("good.a:1|c\nno.pipe:1\ngood.b:1|c"),
        udp("good.a:1|c\nno.type:1|\ngood.b:1|c"),
        udp("good.a:1|c\nset:1|S\nunknown:1|x\ngood.b:1|c"),
        udp("good.a:1|c\nrate:1|c|@0\nrate:1|c|@-1\nrate:1|c|@x\nrate:1|c|@nan\ngood.b:1|c"),
        udp("good.a:1|c\n" + "n" * 1025 + ":1|c\n" + "m" * 1024 + ":1|c\ngood.b:1|c"),
        udp("good.a:1|c\n:1|c\ngood.b:1|c"),
        udp("good.a:1|c\nvalue:x|c\nvalue:inf|g\nvalue:nan|ms\nvalue:1e300|c\ngood.b:1|c"),
        udp(b"good.a:1|c\n\x00\xff\xfe\n\x80:1|c\ngood.b:1|c"),
        udp(b"\n"), udp(b":"), udp(b"|"), udp(b":|"), udp(b"a:|c"),
    ], None, ADDRESSES


def statsd_ipv6():
    no_checksum = udp6("dropped:1|c")
    no_checksum[UDP].chksum = 0
    return [udp6("six:1|c\nsix:2|c"), udp("four:1|c"), no_checksum,
            udp6("x", port=9)], None, ADDRESSES


def statsd_options():
    """Fields, legacy names, prefixes, percentiles, idle deletion, two accumulators."""
    accumulators = [
        {"name": "fields", "emit_in_payload": False, "emit_in_fields": True, "ticker_interval": 5,
         "percent_threshold": [50, 90, 99], "message_type": "stats.fields"},
        {"name": "legacy", "legacy_namespaces": True, "global_prefix": "old", "ticker_interval": 1,
         "percent_threshold": []},
        {"name": "prefixes", "global_prefix": "", "counter_prefix": "c.", "gauge_prefix": "g",
         "timer_prefix": "", "statsd_prefix": "internal", "percent_threshold": [100, 0]},
    ]
    lines = "n:4|c\ng:2.5|g\n" + "\n".join(f"t:{value}|ms" for value in range(1, 11))
    listeners = [dict(STATSD, name=name, accumulator=name, address=f"{OURS}:{port}")
                 for name, port in (("fields", 8125), ("legacy", 8126), ("prefixes", 8127))]
    return ([udp(lines, port=port) for port in (8125, 8126, 8127)],
            plan(listeners, accumulators=accumulators), [])


def statsd_limits():
    """max_msg_size cuts, names_max overflows visibly, timer_samples_max counts."""
    accumulator = {"name": "StatAccumInput", "names_max": 8, "timer_samples_max": 16}
    frames = [udp("cut.a:1|c\ncut.b:1|c\n" + "x" * 100)]
    frames += [udp(f"time.a:{value}|ms\ntime.b:{value}|ms") for value in range(10)]
    frames += [udp(f"name.{index}:1|c\nname.{index}:2|c") for index in range(10)]
    frames += [udp("name.0:5|c\nlate:1|g\nlate.too:1|ms\nname.1:1|c")]
    return frames, plan([dict(STATSD, max_msg_size=60)], accumulators=[accumulator]), []


def statsd_dialects():
    """Tags of all styles, sets, changes of gauges, weights, an event and a service check; limits on
    prefixes, senders and their samples."""
    accumulators = [{"name": "StatAccumInput"},
                    {"name": "guarded", "prefix_names_max": 3, "sender_names_max": 5}]
    listeners = [
        dict(STATSD, name="dog", dialects=["dogstatsd", "influx", "signalfx", "graphite"]),
        dict(STATSD, name="etsy", address=f"{OURS}:8126", dialects=["etsy"]),
        dict(STATSD, name="append", address=f"{OURS}:8127", dialects=["all"], tags="append"),
        dict(STATSD, name="quota", address=f"{OURS}:8128", accumulator="guarded", sender_quota=12),
    ]
    frames = [
        udp("hits:1|c|#b:2,a:1\nhits,a=1,b=2:1|c\nhits[b=2,a=1]:1|c\nhits;b=2;a=1:1|c"),
        udp("users:ann|s\nusers:bob|s\nusers:ann|s\nsize:1:2:3|d|@0.5\nsize:5|h|c:id|T12"),
        udp("_e{5,8}:Title|one\\ntwo|t:warning|h:web-1|#env:prod,alone\n_sc|db|2|m:gone|#x:y\n"
            "_e{9,9}:x|y\n_sc|db|7"),
        udp("up:5|g\nup:+2|g\nup:-3|g\nreal:1|c|@0.3\ntwo:1|c:2|ms\nodd/name here:1|c", port=8126),
        udp("hits:1|c|#b.c:2,a:1", port=8127),
        udp("".join(f"app.{index}:1|c\n" for index in range(6)), port=8128),
        udp("".join(f"name{index}:1|c\n" for index in range(4)), port=8128),
        udp("".join(f"more{index}:1|c\n" for index in range(4)), port=8128),
        udp("other.sender:1|c\n", port=8128, source="192.0.2.77"),
    ]
    return frames, plan(listeners, accumulators=accumulators), []


def fragments4():
    """In order, reversed, a piece missing, a piece twice, overlapping; and one near 64 KiB."""
    def pieces(name, ident, size=4000):
        lines = "\n".join(f"{name}:{index:05}|c" for index in range(size // (len(name) + 9)))
        packet = IP(src=THEIRS, dst=OURS, id=ident) / UDP(sport=40000, dport=8125) / Raw(lines)
        return [ETHER / piece for piece in fragment(packet, fragsize=1480)]
    missing, twice = pieces("missing", 3), pieces("twice", 4)
    overlap = pieces("overlap", 5)
    wrong = overlap[1].copy()
    wrong[IP].frag = 100
    del wrong[IP].chksum
    return (pieces("order", 1) + list(reversed(pieces("reversed", 2))) + [missing[0], missing[2]] +
            [twice[0], twice[0], *twice[1:]] + [overlap[0], wrong, overlap[2]] +
            pieces("large", 6, size=64000) + [udp("after:1|c")]), None, ADDRESSES


def fragments6():
    def pieces(name, ident):
        lines = "\n".join(f"{name}:{index:05}|c" for index in range(250))
        packet = (IPv6(src=THEIRS6, dst=OURS6) / IPv6ExtHdrFragment(id=ident) /
                  UDP(sport=40000, dport=8125) / Raw(lines))
        return [ETHER / piece for piece in fragment6(packet, 1400)]
    return (pieces("order", 1) + list(reversed(pieces("reversed", 2))) + pieces("missing", 3)[1:] +
            [udp6("after:1|c")]), None, ADDRESSES


def text_null():
    """A message per datagram; the bytes as they are."""
    listeners = [text("raw", 514), text("named", 515, set_hostname=True)]
    return [udp("<34>Oct 11 22:14:15 mymachine su: failed\n", 514), udp("two\nlines\n", 514),
            udp("", 514), udp("tab\tquote\"back\\slash", 514), udp("héllo €", 514),
            udp(b"\xff\xfe\x00\x01 \xc3\x28 end", 514),
            udp("from named", 515), udp("nobody listens", 516)], plan(listeners), []


def text_token():
    """Lines; what is behind the last delimiter; another delimiter; several tokens a message."""
    listeners = [
        text("lines", 514, splitter=tokens()),
        text("whole", 515, splitter=tokens(deliver_incomplete_final=True)),
        text("bars", 516, splitter=tokens(delimiter="|", deliver_incomplete_final=True)),
        text("pairs", 517, splitter=tokens(count=2)),
    ]
    data = "one\ntwo\n\nthree\nrest"
    return ([udp(data, port) for port in (514, 515)] + [udp("a|b||c", 516)] +
            [udp("1\n2\n3\n4\n5\n", 517), udp("\n", 514), udp("", 515), udp("none", 514)],
            plan(listeners), [])


def listeners_and_rules():
    """Several listeners of both kinds, on both address families; consumers that want different
    messages; messages that nobody wants."""
    listeners = [
        STATSD, text("app", 5514, splitter="TokenSplitter"), text("audit", 5515),
        {"name": "six", "kind": "text", "address": f"[{OURS6}]:5516"},
        {"name": "any", "kind": "text", "address": "0.0.0.0:5517"},
        {"name": "quiet", "kind": "text", "address": f"{OURS}:5518"},
    ]
    consumers = [
        {"name": "stats", "message_matcher": "Type == 'heka.statmetric'"},
        {"name": "app", "message_matcher": "Logger == 'app'"},
        {"name": "errors", "message_matcher": "Payload =~ /[Ee]rror/ && Logger != 'quiet'"},
        {"name": "not stats", "message_matcher":
            "Type != 'heka.statmetric' && (Logger == 'six' || Logger == 'any' || "
            "Logger == 'audit')"},
    ]
    return [udp("n:1|c"), udp("fine\nan error\nError again\n", 5514), udp("login error", 5515),
            udp6("by six", 5516), udp("by any", 5517), udp("error unseen", 5518),
            udp("plain", 5518)], plan(listeners, consumers, hostname="edge1"), []


ACCESS = (r'^(?P<Client>\S+) \S+ (?P<User>\S+) \[(?P<Timestamp>[^\]]+)\] '
          r'"(?P<Verb>[A-Z]+) (?P<Path>\S+)[^"]*" (?P<Status>\d{3}) (?P<Bytes>\d+|-)')
DECODERS = [
    {"name": "access", "type": "PayloadRegexDecoder", "match_regex": ACCESS,
     "timestamp_layout": "02/Jan/2006:15:04:05 -0700",
     "message_fields": {"Type": "access", "Client": "%Client%", "Verb": "%Verb%",
                        "Path|uri": "%Path%", "Status": "%Status%", "Bytes|B": "%Bytes%"}},
    {"name": "quiet", "type": "PayloadRegexDecoder", "match_regex": r"^level=(?P<Severity>\S+) ",
     "severity_map": {"error": 3, "info": 6}, "log_errors": False},
    {"name": "mark", "type": "ScribbleDecoder",
     "message_fields": {"Logger": "marked", "site": "x"}},
    {"name": "pid", "type": "PayloadRegexDecoder", "match_regex": r"^pid (?P<P>\d+)",
     "message_fields": {"Pid": "%P%"}},
    {"name": "any", "type": "MultiDecoder", "subs": ["access", "quiet", "pid"]},
    {"name": "both", "type": "MultiDecoder", "subs": ["quiet", "mark"], "cascade_strategy": "all"},
]
LOG_LINES = [
    '10.0.0.7 - bob [10/Oct/2000:13:55:36 -0700] "GET /a?b=1 HTTP/1.0" 200 2326 "-" "curl"\n',
    '10.0.0.8 - - [99/Xyz/2000:13:55:36 -0700] "POST /no/time HTTP/1.1" 404 - "-" "-"\n',
    "level=error something\n", "level=odd something\n", "pid 12\n", "pid 99999999999\n",
    "none of them\n",
]


def protobuf_message():
    """Uuid, Timestamp 5, Type, Payload."""
    return (b"\x0a\x10" + bytes(range(16)) + b"\x10\x05" + b"\x1a\x04wire" + b"\x32\x05bytes")


def text_decoders():
    """Each kind of decoder and each end of one; failures dropped, and sent marked."""
    def lines(name, port, **options):
        return text(name, port, splitter=tokens(deliver_incomplete_final=True), **options)
    listeners = [
        lines("web", 514, decoder="access"),
        lines("web2", 515, decoder="access", send_decode_failures=True, set_hostname=True),
        lines("levels", 516, decoder="quiet", send_decode_failures=True),
        lines("first", 517, decoder="any"),
        lines("all", 518, decoder="both"),
        text("wire", 519, decoder="ProtobufDecoder"),
        text("wire2", 520, decoder="ProtobufDecoder", send_decode_failures=True),
        lines("pids", 521, decoder="pid"),
    ]
    data = "".join(LOG_LINES)
    good = protobuf_message()
    frames = [udp(data, port) for port in (514, 515, 516, 517, 518, 521)]
    frames += [udp(good, 519), udp(good[:-1], 519), udp("", 519), udp(good, 520),
               udp(good[:7], 520), udp("pid 7", 521), udp("pid 1 " + "x" * 1100, 521)]
    consumers = [{"name": "fields", "message_matcher": "Fields[Status] == '200'"},
                 {"name": "failures", "message_matcher": "Fields[decode_failure] == TRUE"}, ALL]
    return frames, plan(listeners, consumers, decoders=DECODERS, max_message_size=1100), []


def too_large():
    """Messages above max_message_size are counted, others pass."""
    return ([udp("x" * 1200, 514), udp("y" * 500, 514)],
            plan([text("raw", 514)], max_message_size=1025), [])


def malformed():
    """Broken at every layer; each ends in a counter of its own."""
    good = udp("good:1|c")
    data = bytes(good)
    v4 = bytearray(data)
    out = [data[:10], data[:14], data[:20], data[:33], data[:38]]
    for offset, value in ((14, 0x65), (14, 0x44), (16, 0xFF), (17, 10), (24, 0x77), (38, 0xFF)):
        broken = bytearray(v4)
        broken[offset] = value
        out.append(bytes(broken))
    bad_sum = good.copy()
    bad_sum[UDP].chksum = 0x1234
    long_udp = good.copy()
    long_udp[UDP].len = 200
    short_udp = good.copy()
    short_udp[UDP].len = 7
    out += [bad_sum, long_udp, short_udp]
    six = udp6("good:1|c")
    bad_plen, bad_sum6 = six.copy(), six.copy()
    bad_plen[IPv6].plen = 500
    bad_sum6[UDP].chksum = 0x1234
    out += [bad_plen, bad_sum6, bytes(six)[:40],
            ETHER / IPv6(src=THEIRS6, dst=OURS6) / IPv6ExtHdrDestOpt() / UDP(dport=8125) /
            Raw("option:1|c")]
    out += [ETHER / IP(src=THEIRS, dst="192.0.2.99") / UDP(dport=8125) / Raw("other:1|c"),
            ETHER / IP(src=THEIRS, dst=OURS) / TCP(dport=80, flags="S"),
            ETHER / IP(src=THEIRS, dst=OURS, proto=200) / Raw("what is this"),
            ETHER / IP(src=THEIRS, dst=OURS) / ICMP(type=3, code=1) / Raw(b"x" * 28),
            ETHER / IPv6(src=THEIRS6, dst="2001:db8::99") / UDP(dport=8125) / Raw("other:1|c"),
            Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01", type=0x88CC) / Raw("lldp" * 12),
            ETHER / IP(src=THEIRS, dst=OURS, options=[]) / UDP(dport=9999) / Raw("no listener"),
            good]
    return out, None, ADDRESSES


def answers():
    """What is answered and what is not: ARP and echo."""
    to_all = Ether(src="02:00:00:00:00:02", dst="ff:ff:ff:ff:ff:ff")
    broken = bytearray(bytes(ETHER / IP(src=THEIRS, dst=OURS) / ICMP(id=1, seq=2) / Raw("abcd")))
    broken[-1] ^= 1
    return [to_all / ARP(op=1, hwsrc="02:00:00:00:00:02", psrc=THEIRS, pdst=OURS),
            to_all / ARP(op=1, hwsrc="02:00:00:00:00:02", psrc=THEIRS, pdst="192.0.2.77"),
            to_all / ARP(op=2, hwsrc="02:00:00:00:00:02", psrc=THEIRS, pdst=OURS),
            (to_all / ARP(op=1, psrc=THEIRS, pdst=OURS)).build()[:30],
            ETHER / IP(src=THEIRS, dst=OURS) / ICMP(id=1, seq=1) / Raw("abcd"), bytes(broken),
            ETHER / IPv6(src=THEIRS6, dst=OURS6) / ICMPv6EchoRequest(id=1, seq=1, data="abcd"),
            udp("n:1|c")], None, ADDRESSES


class Peer:
    """A TCP peer in a trace: it cannot know our sequence numbers, and in a trace it need not."""

    def __init__(self, port, sport, is_ipv6=False):
        self.ip = IPv6(src=THEIRS6, dst=OURS6) if is_ipv6 else IP(src=THEIRS, dst=OURS, id=1)
        self.ports = {"sport": sport, "dport": port}
        self.start = 1000 * sport

    def segment(self, flags, at=0, payload=b"", **more):
        head = TCP(flags=flags, seq=self.start + at, ack=1 if "A" in flags else 0, **self.ports,
                   **more)
        return ETHER / self.ip / head / Raw(payload) if payload else ETHER / self.ip / head

    def open(self):
        return [self.segment("S", options=[("MSS", 1460), ("SAckOK", b""), ("WScale", 7)]),
                self.segment("A", 1)]

    def data(self, payload, at=1, flags="PA"):
        return self.segment(flags, at, payload)


def tcp_streams():
    """Lines, frames and statsd over TCP: cut anywhere, again, in another order, over IPv6; a reset,
    connections that are open at the end, a port where only UDP listens; UDP beside TCP."""
    lines, six, frames, stats, lost, late = (
        Peer(port, 40001 + index, index == 1)
        for index, port in enumerate((5565, 5565, 5566, 8125, 5565, 5565)))
    message = protobuf_message()
    header = b"\x08" + bytes([len(message)])
    frame = b"\x1e" + bytes([len(header)]) + header + b"\x1f" + message
    out = lines.open() + six.open() + frames.open() + stats.open() + lost.open() + late.open()
    out += [lines.data(b"one\ntwo\nth"), six.data(b"sechs\n"),
            lines.data(b"six\n", 20), lines.data(b"six\n", 20),
            lines.data(b"ree\nfour\n", 11),
            frames.data(frame + b"garbage" + frame[:9]),
            frames.data(frame[9:], 1 + len(frame) + 7 + 9),
            stats.data(b"hits:1|c\nhits:2|c\n_e{5,4}:title|text\nlo"),
            stats.data(b"ad:2|g\nlast:1|c", 40), udp("udp.hits:1|c"), udp("over udp", 5565),
            lost.data(b"lost\nnot whole"), lost.segment("R", 15),
            late.data(b"x" * 1300), late.data(b"y" * 1000 + b"\nz\nrest", 1301),
            lines.segment("FA", 24), stats.segment("FA", 55),
            Peer(514, 40010).segment("S")]
    listeners = [
        text("lines", 5565, net="tcp", splitter="TokenSplitter", set_hostname=True),
        text("lines6", 5565, net="tcp", splitter="TokenSplitter", set_hostname=True,
             address=f"[{OURS6}]:5565"),
        text("frames", 5566, net="tcp", splitter="HekaFramingSplitter",
             decoder="ProtobufDecoder"),
        dict(STATSD, name="stats", net="tcp", dialects=["dogstatsd"]), STATSD,
        text("datagrams", 5565), text("udp", 514),
    ]
    return out, plan(listeners, max_message_size=1100), []


def nothing_for_us():
    """Only other people's traffic: the flush still says numStats 0."""
    return [ETHER / IP(src=THEIRS, dst="198.51.100.9") / UDP(dport=8125) / Raw("n:1|c")], None, \
        ADDRESSES


def empty():
    """A trace without a frame."""
    return [], None, [*ADDRESSES, "--now", str(START_S * 10**9)]


CASES = [statsd_good, statsd_bad_lines, statsd_ipv6, statsd_options, statsd_limits,
         statsd_dialects, fragments4, fragments6, text_null, text_token, text_decoders,
         tcp_streams, listeners_and_rules, too_large, malformed, answers, nothing_for_us, empty]


def main():
    for case in CASES:
        frames, the_plan, arguments = case()
        base = os.path.join(HERE, case.__name__)
        write_pcap(base + ".pcap", frames)
        if the_plan is not None:
            with open(base + ".plan.json", "w", encoding="utf-8") as file:
                json.dump(the_plan, file, indent=2, ensure_ascii=False)
                file.write("\n")
        if arguments:
            with open(base + ".args", "w", encoding="utf-8") as file:
                file.write("\n".join(arguments) + "\n")
        print(f"{case.__name__}: {len(frames)} frames")


if __name__ == "__main__":
    main()
