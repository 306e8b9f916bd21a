# SPDX-License-Identifier: MPL-2.0
"""Measures a log server: syslog lines from a port into a file. By TCP as many as it takes, by UDP
the highest rate without loss; what counts are the lines of the file."""
import json
import subprocess
import sys
import time
from pathlib import Path

from by_socket import search
from log_servers import OUT
from server import (FileSink, ReceiveBuffers, Server, cpu_seconds, cpus, free_port, kernel_seconds,
                    memory_bytes)

SENDER = Path(__file__).resolve().parent / "send_lines.py"
RATES_UDP = (10e3, 400e3)  # lines/s to search between; above them the sender is the limit
PATIENCE_S = 5.0


def send(transport, port, seconds, rate):
    done = subprocess.run(
        ["taskset", "-c", str(cpus()[1]), sys.executable, str(SENDER), transport, str(port),
         str(seconds), *([str(rate)] if rate else [])], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def attempt(args, server, port, transport, rate):
    before, cpu, kernel = server.sink.total, cpu_seconds(server.pids()), kernel_seconds()
    start = time.monotonic()
    sent = send(transport, port, args.seconds, rate)
    kernel = kernel_seconds() - kernel
    got = server.settle(before + sent["lines"], PATIENCE_S) - before
    # By TCP the file's pace is the server's, the sender's may be that of buffers.
    elapsed = sent["elapsed_s"] if rate else time.monotonic() - start
    million = sent["lines"] / 1e6
    return {"rate": sent["lines"] / elapsed, "datagrams_per_s": sent["lines_per_s"], "asked": rate,
            "missing": 1 - got / sent["lines"],
            "cpu_s_per_million": (cpu_seconds(server.pids()) - cpu) / million,
            "kernel_s_per_million": kernel / million}


def measure(args, peer, program, variant, kind, known):
    """As by_socket.measure()."""
    del variant
    port, transport = free_port(), kind.removeprefix("lines-")

    def command(folder, _):
        return ["taskset", "-c", str(cpus()[0]), *peer.command(program, folder, port, transport)]

    with ReceiveBuffers(args.receive_buffer):
        server = Server(lambda folder: FileSink(folder / OUT), command,
                        lambda _: peer.environment(program))
        try:
            server.wait_for_socket(port, transport)
        except RuntimeError:
            server.stop()
            raise
    try:
        if transport == "udp":
            best = search(lambda rate: attempt(args, server, port, transport, rate), RATES_UDP,
                          known)
        else:
            best = attempt(args, server, port, transport, None)
            best = best if best["missing"] == 0 else None
        if best is None:
            return {"error": "loses lines at every rate that was tried: " + server.last_words()}
        return {**best, "memory_bytes": memory_bytes(server.pids())}
    finally:
        server.stop()
        server.remove()
