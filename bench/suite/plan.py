# SPDX-License-Identifier: MPL-2.0
"""Which programs make up the suite, what they are expected to reach, and which cases form a curve.

A program is run as it is (bench/README.md); its cases come from its own `--list`. Goals are of one
worker core unless they say otherwise.
"""

PROGRAMS = [  # what to run, in this order: the ones with a second process first, on a cool machine
    "statsd_rate", "message_rate", "lane", "tcp_rate", "stats_parse", "stats_shard",
    "stats_aggregate", "match", "regex_decode", "decode", "sandbox", "sandbox_lane", "logstreamer",
]

# Options of the full run where cores are far apart (bench/README.md): each case has its runs, and
# none is repeated in hope of a near one, which would take three times as long.
FAR_PROBE = ("lane", ["--json", "--quick", "--runs", "1", "consumers-1"])
FAR_OPTIONS = {
    "statsd_rate": ["--quick", "--runs", "5", "--seconds", "4"],
    "message_rate": ["--quick", "--runs", "5"],
    "lane": ["--quick", "--runs", "5"],
    "sandbox_lane": ["--quick", "--runs", "5"],
}


def position(program):
    """Where a program stands in a report."""
    return PROGRAMS.index(program) if program in PROGRAMS else len(PROGRAMS)


GOALS = {  # (program, case): (figure, what it means)
    ("statsd_rate", "packed"): (34e6, "10 GbE of packed statsd"),
    ("statsd_rate", "single"): (14.88e6, "10 GbE of 64-byte frames"),
    ("message_rate", "frames"): (4e6, "Heka frames to a FileOutput"),
    ("lane", "consumers-1"): (10e6, "256-byte records from core to core"),
    ("match", "rules-10"): (5e6, "256-byte messages against 10 rules"),
    ("match", "rules-1000"): (2e6, "256-byte messages against 1,000 rules"),
    ("regex_decode", "patterns-10"): (400, "access log lines by one of 10 expressions"),
    ("stats_shard", "names-10k"): (30e6, "parse and add, 10,000 names"),
    ("stats_shard", "names-1M"): (8e6, "parse and add, 1,000,000 names"),
    ("tcp_rate", "lines"): (20, "100-byte lines over TCP"),
    ("tcp_rate", "frames"): (10, "1 KB Heka frames over TCP, 100 rules"),
    ("sandbox", "counter"): (7e6, "a Lua filter that reads one field"),
    ("sandbox", "http_status"): (3.5e6, "a Lua filter that counts by status"),
    ("sandbox", "nginx"): (90e3, "an access log decoded with lpeg"),
    ("sandbox", "influx"): (150e3, "messages as JSON for InfluxDB"),
    ("sandbox_lane", "lane-counter"): (7e6, "from a lane to a Lua filter that reads one field"),
    ("sandbox_lane", "lane-http_status"): (
        3.5e6, "from a lane to a Lua filter that counts by status"),
    ("sandbox_lane", "lane-nginx"): (90e3, "from a lane through a Lua decoder"),
    ("sandbox_lane", "lane-influx"): (150e3, "from a lane through a Lua encoder"),
    ("logstreamer", "file-to-file"): (500e6, "log lines from file to file"),
}

RATIOS = [  # (program, case, of case, at least, what it means)
    ("tcp_rate", "lines-10k", "lines", 0.8, "10,000 connections against 100, lines"),
    ("tcp_rate", "frames-10k", "frames", 0.8, "10,000 connections against 100, frames"),
    ("match", "rules-1000", "rules-1", 0.2, "1,000 rules against 1"),
    ("statsd_rate", "two-workers", "one-worker", 1.9, "two workers against one"),
]

CURVES = [  # (title, program, [(x, case)], x axis)
    ("Names", "stats_shard",
     [(1e3, "names-1k"), (1e4, "names-10k"), (1e5, "names-100k"), (1e6, "names-1M")],
     "distinct names"),
    ("Rules", "match",
     [(1, "rules-1"), (10, "rules-10"), (100, "rules-100"), (1000, "rules-1000")], "rules"),
    ("Expressions", "regex_decode",
     [(1, "patterns-1"), (10, "patterns-10"), (100, "patterns-100")], "expressions"),
    ("Connections, lines", "tcp_rate", [(100, "lines"), (10000, "lines-10k")], "connections"),
    ("Connections, frames", "tcp_rate", [(100, "frames"), (10000, "frames-10k")], "connections"),
    ("Datagram size", "statsd_rate",
     [(128, "payload-128"), (256, "payload-256"), (512, "payload-512"), (1432, "packed")],
     "bytes of lines in a datagram"),
    ("Cores", "statsd_rate", [(1, "one-worker"), (2, "two-workers")], "worker cores"),
]
