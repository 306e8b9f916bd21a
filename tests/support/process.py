# SPDX-License-Identifier: MPL-2.0
"""process.py - child processes of a test: started, watched, ended by their own pid, logs kept.

Each child dies with the test process (PR_SET_PDEATHSIG), so that nothing stays behind even when the
test is killed.
"""
import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
POLL_S = 0.02
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def tail(text, lines=60):
    return "\n".join(text.splitlines()[-lines:])


class Process:
    """A running program; stdout and stderr go to files in `folder`."""

    shows_logs = True

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.command = [str(word) for word in command]
        self.paths = {kind: os.path.join(folder, f"{name}.{kind}") for kind in ("out", "err")}
        with open(self.paths["out"], "wb") as out, open(self.paths["err"], "wb") as err:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env=dict(os.environ, **(environment or {})), preexec_fn=die_with_parent,
                start_new_session=True)  # Ctrl-C is for us; we end them in order

    @property
    def pid(self):
        return self.child.pid

    def output(self, kind="out"):
        with open(self.paths[kind], encoding="utf-8", errors="replace") as file:
            return file.read()

    def logs(self):
        out, err = tail(self.output("out")), tail(self.output("err"))
        return (f"---- {self.name} (pid {self.pid}, exit {self.child.poll()}) stdout\n{out}\n"
                f"---- {self.name} stderr\n{err}\n")

    def is_running(self):
        return self.child.poll() is None

    def send_signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout_s=60):
        """Exit code; negative for a signal."""
        try:
            return self.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout_s} s\n{self.logs()}") \
                from None

    def stop(self, number=signal.SIGTERM, timeout_s=60):
        if self.is_running():
            self.send_signal(number)
        return self.wait(timeout_s)

    def close(self):
        """End in any case, and show what it said (pytest prints it when the test failed)."""
        if self.is_running():
            self.send_signal(signal.SIGTERM)
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if Process.shows_logs:
            print(self.logs())


def wait_for(what, check, timeout_s=90, processes=()):
    """Polls until check() is true and returns its value. `processes` must go on running."""
    end = time.monotonic() + timeout_s
    last = None
    while True:
        last = check()
        if last:
            return last
        for process in processes:
            assert process.is_running(), \
                f"{process.name} ended while waiting for {what}\n{process.logs()}"
        if time.monotonic() > end:
            logs = "".join(process.logs() for process in processes)
            raise AssertionError(f"waited {timeout_s} s for {what}; last answer: {last!r}\n{logs}")
        time.sleep(POLL_S)


def run(command, **options):
    """Runs to the end; an error names the command and what it said."""
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, \
        f"{' '.join(command)}: exit {done.returncode}\n{tail(done.stdout)}\n{tail(done.stderr)}"
    return done.stdout
