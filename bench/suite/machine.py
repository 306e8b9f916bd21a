# SPDX-License-Identifier: MPL-2.0
"""The machine's fingerprint: what figures depend on and two reports have to agree in."""
import json
import os
import platform
import re
import subprocess
from pathlib import Path

from suite import plan

PROBE_LIMIT_S = 20


def _read(path):
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _cpu():
    text = _read("/proc/cpuinfo")
    found = {key: re.search(rf"^{key}\s*:\s*(.*)$", text, re.M)
             for key in ("model name", "cache size", "flags", "cpu MHz")}
    flags = (found["flags"].group(1) if found["flags"] else "").split()
    return {
        "name": found["model name"].group(1) if found["model name"] else platform.machine(),
        "mhz": float(found["cpu MHz"].group(1)) if found["cpu MHz"] else None,
        "cache": found["cache size"].group(1) if found["cache size"] else "",
        "simd": [flag for flag in ("sse4_2", "avx2", "avx512f") if flag in flags],
        "virtual": "hypervisor" in flags,
    }


def _hugepages():
    root = Path("/sys/kernel/mm/hugepages")
    if not root.is_dir():
        return {}
    return {page.name.removeprefix("hugepages-"): int(_read(page / "nr_hugepages") or 0)
            for page in sorted(root.iterdir())}


def _commit(source):
    git = subprocess.run(["git", "-C", str(source), "describe", "--always", "--dirty"],
                         capture_output=True, text=True, check=False)
    return git.stdout.strip()


def probe(build):
    """What a short two-core benchmark of `build` says of the cores: {"distance", "hop_ns"}, or {}
    when it cannot be run."""
    name, options = plan.FAR_PROBE
    try:
        done = subprocess.run([str(build / "bench" / name), *options], capture_output=True,
                              text=True, timeout=PROBE_LIMIT_S, check=True)
        return json.loads(done.stdout.splitlines()[0])["machine"]
    except (OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError):
        return {}


def fingerprint(source):
    """A dict of JSON values. `source`: folder of the checkout."""
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "cores_allowed": len(os.sched_getaffinity(0)),
        "memory_mbytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(),
        "governor": governor or "none visible",
        "isolated": _read("/sys/devices/system/cpu/isolated"),
        "hugepages": _hugepages(),
        "transparent_hugepages": _read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "hardware_counters": os.path.isdir("/sys/bus/event_source/devices/cpu"),
        "load": os.getloadavg()[0],
        "commit": _commit(source),
    }


def differences(a, b):
    """Texts about what makes figures of two machines not comparable."""
    keys = ("cpu", "cores_allowed", "kernel", "hugepages", "governor")
    texts = []
    for key in keys:
        left, right = a.get(key), b.get(key)
        if key == "cpu":
            left, right = left and left.get("name"), right and right.get("name")
        if left != right:
            texts.append(f"{key}: {left} / {right}")
    return texts
