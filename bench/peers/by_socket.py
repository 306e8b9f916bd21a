# SPDX-License-Identifier: MPL-2.0
"""Measures a statsd server with a kernel socket: the highest rate without loss, by halving."""
import time

import blast
from carbon_sink import CarbonSink
from server import (ReceiveBuffers, Server, cpu_seconds, cpus, free_port, kernel_seconds,
                    memory_bytes)

LOSS_MAX = 0.001
RATES = {"packed": (2e3, 400e3), "single": (20e3, 4e6)}  # datagrams/s to search between
STEPS = 7         # of the search, each halving the interval
STEPS_NEAR = 4    # when the rate is known from an earlier run
NEAR = 1.25


def attempt(args, server, port, kind, rate):
    """One rate for some seconds. What was sent, and the share that is missing."""
    before, cpu, kernel = server.sink.total, cpu_seconds(server.pids()), kernel_seconds()
    sent = blast.send(args.build, kind, ["--udp", "--to", f"127.0.0.1:{port}", "--rate", int(rate),
                                         "--seconds", args.seconds, "--cpu", cpus()[1]])
    kernel = kernel_seconds() - kernel
    expected, million = sent["sums"]["counter"], sent["metrics"] / 1e6
    got = server.settle(before + expected * (1 - 1e-9)) - before
    time.sleep(0.2)
    return {"rate": sent["metrics_per_s"], "datagrams_per_s": sent["frames_per_s"],
            "asked": rate, "missing": 1 - got / expected,
            "cpu_s_per_million": (cpu_seconds(server.pids()) - cpu) / million,
            "kernel_s_per_million": kernel / million}


def search(attempt_at, rates, known):
    """The best attempt without loss, by halving between the two `rates`; None when even the least
    loses. `known`: a rate that an earlier run found, or None."""
    low, high = (known / NEAR, known * NEAR) if known else rates
    best = attempt_at(low)
    if abs(best["missing"]) > LOSS_MAX:
        return search(attempt_at, rates, None) if known else None
    for _ in range(STEPS_NEAR if known else STEPS):
        middle = (low * high) ** 0.5
        found = attempt_at(middle)
        kept_up = found["datagrams_per_s"] > 0.97 * middle  # else the sender is the limit
        if abs(found["missing"]) <= LOSS_MAX and found["rate"] > best["rate"]:
            best, low = found, middle
        else:
            high = middle
        if not kept_up:
            high = min(high, middle)
    return best


def measure(args, peer, program, variant, kind, known):
    """One run of one configuration. A dict of figures, or of an "error"."""
    port = free_port()

    names = blast.counter_names(args.build, kind)

    def command(folder, sink):
        return ["taskset", "-c", str(cpus()[0]),
                *peer.command(program, folder, port, sink.port, **peer.variants[variant])]

    with ReceiveBuffers(args.receive_buffer):
        server = Server(lambda _: CarbonSink(peer.counter, names, peer.clean, cpus()[1]), command)
        try:
            server.wait_for_socket(port)
        except RuntimeError:
            server.stop()
            raise
    try:
        best = search(lambda rate: attempt(args, server, port, kind, rate), RATES[kind], known)
        if best is None:
            return {"error": "loses metrics at every rate that was tried; larger buffers may help "
                             "(--receive-buffer): " + server.last_words()}
        return {**best, "memory_bytes": memory_bytes(server.pids())}
    finally:
        server.stop()
        server.remove()
