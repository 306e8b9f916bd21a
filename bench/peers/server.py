# SPDX-License-Identifier: MPL-2.0
"""A server under way: its processes, their CPU time and memory, and the Carbon server behind it."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_LIMIT_S = 30
END_LIMIT_S = 20
LOG_SHOWN = 500


def cpus():
    """The server's, and that of everything else."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def process_tree(pid):
    """Ids of a process and of all that it started."""
    pids, found = [pid], []
    while pids:
        pid = pids.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                pids += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def thread_seconds(pid):
    """{thread id: (name, CPU seconds)} of a process, to the nanosecond."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            spent = int((task / "schedstat").read_text().split()[0])
            found[int(task.name)] = ((task / "comm").read_text().strip(), spent / 1e9)
        except (OSError, ValueError, IndexError):
            continue
    return found


def cpu_seconds(pids):
    """Of processes, their ended threads and their children that were waited for."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(fields[i]) for i in (11, 12, 13, 14))
        except OSError:
            continue
    return total / os.sysconf("SC_CLK_TCK")


def kernel_seconds():
    """What all CPUs spent in soft interrupts: packets that are received, above all."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[7]) / os.sysconf("SC_CLK_TCK")


class ReceiveBuffers:
    """Sockets that are made meanwhile have receive buffers of so many bytes, as far as we may say
    so; 0: as the machine has it."""

    FOLDER = Path("/proc/sys/net/core")
    FILES = ("rmem_max", "rmem_default")

    def __init__(self, size):
        self.size, self.before = size, {}

    def __enter__(self):
        for name in self.FILES if self.size else ():
            path = self.FOLDER / name
            self.before[path] = path.read_text()
            path.write_text(str(self.size))

    def __exit__(self, *_):
        for path, text in self.before.items():
            path.write_text(text)


def memory_bytes(pids):
    """Peak resident memory, and hugepages, which the kernel does not count as resident."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(("VmHWM:", "HugetlbPages:")):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


class FileSink:
    """Counts the lines of a file that grows."""

    def __init__(self, path):
        self._path, self._read, self._lines = path, 0, 0

    @property
    def total(self):
        try:
            with open(self._path, "rb") as file:
                file.seek(self._read)
                while data := file.read(1 << 20):
                    self._read += len(data)
                    self._lines += data.count(b"\n")
        except FileNotFoundError:
            pass
        return self._lines

    def close(self):
        pass


class Server:
    """One server in a folder of its own. `make_sink(folder)` is where its results go, with a
    `total` of them; `command(folder, sink)` gives the command line."""

    def __init__(self, make_sink, command, environment=None):
        self.folder = Path(tempfile.mkdtemp(prefix="heka-peer-"))
        self.sink = make_sink(self.folder)
        words = list(map(str, command(self.folder, self.sink)))
        self.log = open(self.folder / "log", "wb")
        script = next((word for word in words if word.endswith(".js")), None)
        self.process = subprocess.Popen(
            words, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
            cwd=Path(script).parent if script else self.folder,
            env={**os.environ, **(environment(self.folder) if environment else {})})

    def wait(self, ready):
        """Until ready() is true."""
        end = time.monotonic() + START_LIMIT_S
        while not ready():
            if self.process.poll() is not None:
                raise RuntimeError("ended at once: " + self.last_words())
            if time.monotonic() > end:
                raise RuntimeError("does not listen: " + self.last_words())
            time.sleep(0.05)

    def wait_for_socket(self, port, transport="udp"):
        wanted = f":{port:04X} "
        self.wait(lambda: any(wanted in Path(f"/proc/net/{name}").read_text()
                              for name in (transport, f"{transport}6")))
        time.sleep(0.5)

    def pids(self):
        return process_tree(self.process.pid)

    def last_words(self):
        with open(self.folder / "log", "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_SHOWN))
            return log.read().decode(errors="replace").strip()

    def settle(self, expected, patience_s=3.0):
        """Waits until the flushes add up to `expected`, or no longer change. Returns their sum."""
        seen, since = self.sink.total, time.monotonic()
        while self.sink.total < expected and time.monotonic() - since < patience_s:
            time.sleep(0.1)
            if self.sink.total != seen:
                seen, since = self.sink.total, time.monotonic()
        return self.sink.total

    def stop(self):
        """Ends it; the status of the first process, negative after a signal."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.sink.close()
        self.log.close()
        return self.process.returncode

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
