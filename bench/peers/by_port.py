# SPDX-License-Identifier: MPL-2.0
"""Measures Hekaline as it is meant to run: the data plane polls a port on one core, hekad and
housekeeping have the other, and flushes go to the same Carbon server as everybody's.

Traffic comes from blast over a vhost-user socket, which says when it is full, so that nothing is
lost at any rate: one attempt at full speed is the rate without loss. It counts only when every
total is exact and every stage of the ledger balances. A core that is polled counts as used up from
the first to the last moment, whatever it did; to that comes the CPU time of all other threads.
"""
import json
import socket
import time

import blast
from carbon_sink import CarbonSink
from server import Server, cpus, kernel_seconds, memory_bytes, thread_seconds

WORKER = "rte-worker"  # what EAL calls a thread that polls
WARM_S = 1.5
PATIENCE_S = 20.0
ADDRESS = "10.0.0.1"

CONFIG = """[hekad]
base_dir = "{folder}/base"
[dataplane]
core_map = "core_map.json"
run_dir = "{folder}/run"
[StatsdInput]
address = "{address}:8125"
[StatAccumInput]
ticker_interval = 1
delete_idle_stats = true
[CarbonOutput]
message_matcher = "Type == 'heka.statmetric'"
address = "127.0.0.1:{carbon}"
protocol = "tcp"
"""


def write_configuration(program, folder, carbon):
    """The command line of hekad."""
    worker, other = cpus()
    (folder / "core_map.json").write_text(json.dumps({
        "main_core": other, "workers": [worker], "idle_sleep": False, "force": True,
        "ports": [{"name": "bench", "profile": "vhost", "device": f"{folder}/vhost.sock",
                   "mac": "02:00:00:00:00:01", "addresses": [f"{ADDRESS}/24"]}]}))
    (folder / "hekad.toml").write_text(
        CONFIG.format(folder=folder, address=ADDRESS, carbon=carbon))
    return [program, "-config", folder / "hekad.toml"]


def environment(folder):
    """DPDK's runtime files go to our folder."""
    (folder / "runtime").mkdir(exist_ok=True)
    return {"RUNTIME_DIRECTORY": f"{folder}/runtime", "XDG_RUNTIME_DIR": f"{folder}/runtime"}


def ask(server):
    """What `hekad status` shows, or None while hekad does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        try:
            client.connect(str(server.folder / "run" / "hekad.sock"))
            client.sendall(b'{"command": "status"}\n')
            with client.makefile("rb") as reply:
                return json.loads(reply.readline() or "null")
        except (FileNotFoundError, ConnectionError):
            return None


def is_running(server):
    status = ask(server)
    return (status is not None and status["state"] == "running" and
            status["dataplane"]["state"] == "running")


def metrics_of(status):
    counters = status["dataplane"]["counters"]
    return sum(counters[f"samples_{kind}"] for kind in ("counter", "gauge", "timer"))


def look(server):
    """Time, metrics that were aggregated, and CPU seconds by thread."""
    threads = {}
    for pid in server.pids():
        threads |= thread_seconds(pid)
    return {"time": time.monotonic(), "metrics": metrics_of(ask(server)), "threads": threads,
            "kernel": kernel_seconds()}


def spent(before, after):
    """CPU seconds between two looks: of polled cores, which count in full, and {thread: seconds}
    of all others."""
    elapsed = after["time"] - before["time"]
    workers, others = 0, {}
    for tid, (name, seconds) in after["threads"].items():
        if name.startswith(WORKER):
            workers += 1
        else:
            used = seconds - before["threads"].get(tid, (name, 0.0))[1]
            others[name] = others.get(name, 0.0) + used
    if workers == 0:
        raise RuntimeError(f"no thread of the data plane is called {WORKER}")
    return workers * elapsed, others


def figures(before, after):
    polled, threads = spent(before, after)
    others = sum(threads.values())
    elapsed, metrics = after["time"] - before["time"], after["metrics"] - before["metrics"]
    if metrics <= 0:
        raise RuntimeError("nothing arrived")
    return {"rate": metrics / elapsed, "cpu_s_per_million": (polled + others) / metrics * 1e6,
            "kernel_s_per_million": (after["kernel"] - before["kernel"]) / metrics * 1e6,
            "polled_cores": polled / elapsed, "other_cores": others / elapsed,
            "threads": {name: seconds / elapsed for name, seconds in threads.items() if seconds}}


def what_is_wrong(server, sent):
    """Of the totals after everything was sent and flushed; "" when they are exact."""
    counters = sent["sums"]["counter"]
    got = server.settle(counters, PATIENCE_S)
    status = ask(server)
    wrong = []
    if abs(got - counters) > 0.5:
        wrong.append(f"the flushed counters add up to {got:.0f}, sent were {counters:.0f}")
    if metrics_of(status) != sent["metrics"]:
        wrong.append(f"{metrics_of(status)} of {sent['metrics']} metrics were aggregated")
    wrong += [f"stage {stage['stage']} has residual {stage['residual']}"
              for stage in status["stages"] if stage["residual"] != 0]
    return "; ".join(wrong)


def measure_traffic(args, server, kind):
    sender = blast.start(args.build, kind, [
        "--socket", server.folder / "vhost.sock", "--cpu", cpus()[1], "--hold",
        "--seconds", args.seconds + WARM_S + 1])
    try:
        server.wait(lambda: metrics_of(ask(server)) > 0)
        time.sleep(WARM_S)
        before = look(server)
        time.sleep(args.seconds)
        after = look(server)
        sent = blast.report(sender)
        found = {**figures(before, after), "missing": 0.0,
                 "memory_bytes": memory_bytes(server.pids())}
        wrong = what_is_wrong(server, sent)
        return {"error": f"totals are not exact: {wrong}"} if wrong else found
    finally:
        sender.stdin.close()
        if sender.poll() is None:
            sender.wait(10)
        sender.stdout.close()


def measure(args, peer, program, variant, kind, known):
    """As by_socket.measure()."""
    del variant, known
    names = blast.counter_names(args.build, kind)
    server = Server(lambda _: CarbonSink(peer.counter, names, peer.clean, cpus()[1]),
                    lambda folder, sink: write_configuration(program, folder, sink.port),
                    environment)
    try:
        server.wait(lambda: is_running(server))
        found = measure_traffic(args, server, kind)
        if server.stop() != 0 and "error" not in found:
            found = {"error": "did not end in order: " + server.last_words()}
        return found
    finally:
        server.stop()
        server.remove()
