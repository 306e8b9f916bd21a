# SPDX-License-Identifier: MPL-2.0
"""Our TCP does what the scripts say, and a script that says otherwise fails."""
import os
import subprocess

import scripts


def test_scripts():
    scripts.check(scripts.run("ours"))


def test_a_wrong_script_fails(tmp_path):
    """Another acknowledgment, another number of bytes, a word that is none."""
    for index, line in enumerate(("< . ack 12", "delivered 9", "reset", "bogus", "nothing")):
        path = tmp_path / f"{index}.script"
        path.write_text(f"handshake\n> P. 1:11 ack 1\n{line}\n", encoding="ascii")
        done = subprocess.run([os.path.join(scripts.BIN_DIR, "tcp_script"), "ours", str(path)],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and done.stdout.startswith(f"FAILED {path.name}: line 3: ")
