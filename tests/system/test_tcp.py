# SPDX-License-Identifier: MPL-2.0
"""The kernel as TCP client of dataplane/tcp over a tun device (tests/support/tcp_tun.c): every byte
is compared, through loss, reordering, duplication and slow or refusing consumers; nothing is held
at the end. HEKA_SOAK=N sends N times as many bytes."""
import json
import os
import subprocess

import pytest

import appliance

SOAK = int(os.environ.get("HEKA_SOAK", "1"))

# name, connections, megabytes, faults
CASES = [
    ("one", 1, 200, ""),
    ("hundred", 100, 200, ""),
    ("thousand", 1000, 100, ""),
    ("ten_thousand", 10000, 50, ""),
    ("loss_1", 50, 40, "--loss 10"),
    ("loss_5", 20, 10, "--loss 50"),
    ("ack_loss", 50, 40, "--ack-loss 50"),
    ("reorder", 20, 60, "--reorder 50"),
    ("duplicate", 20, 40, "--duplicate 50"),
    ("all_at_once", 50, 20, "--loss 10 --ack-loss 20 --reorder 30 --duplicate 20"),
    ("slow", 50, 40, "--slow"),
    ("slow_and_lossy", 50, 20, "--slow --loss 10 --reorder 20"),
]


def run(arguments):
    program = os.path.join(appliance.BIN_DIR, "tcp_tun")
    done = subprocess.run(["unshare", "--net", program, *arguments.split()], timeout=600,
                          capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("name,connections,megabytes,faults", CASES, ids=[c[0] for c in CASES])
def test_every_byte_arrives(name, connections, megabytes, faults, family):
    size = megabytes * 1000000 * SOAK
    report, code = run(f"--connections {connections} --bytes {size} {faults}"
                       f"{' --ipv6' if family == 'ipv6' else ''}")
    assert code == 0 and report["good"], (name, report)
    assert report["delivered"] == size // connections * connections
    assert report["closed"] == connections
    if "loss" in faults or "reorder" in faults:
        faults_seen = ["tcp_out_of_order", "tcp_duplicate", "tcp_sent_again"]
        assert any(report.get(counter, 0) > 0 for counter in faults_seen), report


def test_refused_connections_are_reset_and_others_go_on():
    report, code = run("--connections 20 --bytes 2000000 --refuse 5")
    assert code == 0, report
    assert report["refused"] == 5 and report["closed"] == 15
    assert report["delivered"] == 15 * 100000
