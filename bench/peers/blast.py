# SPDX-License-Identifier: MPL-2.0
"""bench/blast as a function: what it sends, what it says about it, and which counters there are."""
import json
import subprocess
import tempfile
from pathlib import Path


def command(build, kind, arguments):
    return [str(build / "bench" / "blast"), f"--{kind}", *map(str, arguments)]


def send(build, kind, arguments):
    """Its report, when all is sent."""
    done = subprocess.run(command(build, kind, arguments), capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


def start(build, kind, arguments):
    """Under way; wait for its report by report(), and end it by closing its standard input when
    --hold is among the arguments."""
    return subprocess.Popen(command(build, kind, arguments), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def report(process):
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"blast ended with {process.wait()}")
    return json.loads(line)


def counter_names(build, kind):
    """Names of the counters in the traffic; all kinds have the same seed."""
    with tempfile.NamedTemporaryFile() as totals:
        send(build, kind, ["--dry-run", "--frames", 1, "--totals", totals.name])
        rows = (line.split("\t") for line in Path(totals.name).read_text().splitlines())
        return [row[0] for row in rows if row[1] == "counter"]
