# SPDX-License-Identifier: MPL-2.0
"""carbon.py - a real carbon-cache (Debian's graphite-carbon) with files of its own."""
import os
import shutil
import signal
import socket
import struct
import tempfile

from process import Process, wait_for

CARBON_CACHE = "/usr/bin/carbon-cache"
CARBON_CONF = """[cache]
STORAGE_DIR = {dir}
CONF_DIR = {dir}
LOG_DIR = {dir}
PID_DIR = {dir}
LOCAL_DATA_DIR = {dir}/whisper
USER =
ENABLE_LOGROTATION = False
LOG_UPDATES = False
LOG_CREATES = False
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
CACHE_WRITE_STRATEGY = naive
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {port}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = 0
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = 0
CARBON_METRIC_INTERVAL = 0
ENABLE_TAGS = False
"""
SCHEMAS = "[all]\npattern = .*\nretentions = {step_s}s:{keep_s}s\n"
AGGREGATION = "[all]\npattern = .*\nxFilesFactor = 0\naggregationMethod = last\n"


SHM, SHM_FREE_BYTES = "/dev/shm", 1 << 30


def place_for_many_files(folder):
    """Tens of thousands of small files are made and removed in no time in memory."""
    if os.path.isdir(SHM) and os.access(SHM, os.W_OK):
        free = os.statvfs(SHM)
        if free.f_bavail * free.f_frsize >= SHM_FREE_BYTES:
            return tempfile.mkdtemp(prefix="heka-", dir=SHM)
    return tempfile.mkdtemp(prefix="carbon-", dir=folder)


class Carbon:
    """Listens on the loopback of `namespace`. A file keeps `points` values of `step_s` seconds."""

    def __init__(self, folder, namespace, step_s, port=2003, points=360):
        self.folder, self.dir = folder, None
        self.namespace, self.port = namespace, port
        self.step_s, self.keep_s = step_s, step_s * points
        self.process = None

    def start(self):
        self.dir = place_for_many_files(self.folder)
        self.write("carbon.conf", CARBON_CONF.format(dir=self.dir, port=self.port))
        self.write("storage-schemas.conf", SCHEMAS.format(step_s=self.step_s, keep_s=self.keep_s))
        self.write("storage-aggregation.conf", AGGREGATION)
        self.process = Process("carbon-cache", self.namespace.command(
            CARBON_CACHE, f"--config={self.dir}/carbon.conf", f"--pidfile={self.dir}/pid",
            "--nodaemon", "start"), self.folder)

        def accepts():
            with self.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
                return trial.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for("carbon-cache to listen", accepts, processes=[self.process])

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as file:
            file.write(text)

    def path(self, series):
        return os.path.join(self.dir, "whisper", *series.split(".")) + ".wsp"

    def series(self):
        """Names of all series that have a file."""
        base = os.path.join(self.dir, "whisper")
        for where, _, names in os.walk(base):
            for name in names:
                inner = os.path.relpath(os.path.join(where, name), base)
                yield inner[:-len(".wsp")].replace(os.sep, ".")

    def points(self, series):
        """{unix seconds: value} of the series' first archive, by Debian's whisper module; none
        while carbon-cache still makes the file."""
        import whisper
        path = self.path(series)
        try:
            first = whisper.info(path)["archives"][0]
            with open(path, "rb") as file:
                file.seek(first["offset"])
                data = file.read(first["size"])
        except (FileNotFoundError, TypeError, whisper.CorruptWhisperFile):
            return {}
        whole = len(data) - len(data) % whisper.pointSize
        return {when: value for when, value in
                struct.iter_unpack(whisper.pointFormat, data[:whole]) if when}

    def stop(self):
        return self.process.stop(signal.SIGTERM)

    def close(self):
        if self.process is not None:
            self.process.close()
        if self.dir is not None:
            shutil.rmtree(self.dir, ignore_errors=True)
