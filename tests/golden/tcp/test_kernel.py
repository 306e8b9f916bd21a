# SPDX-License-Identifier: MPL-2.0
"""The kernel does what the scripts say: they are right, not only ours."""
import os

import pytest

import scripts

NO_NAMESPACES = os.environ.get("HEKA_NO_NAMESPACES")


@pytest.mark.skipif(NO_NAMESPACES is not None, reason=f"netns: {NO_NAMESPACES}")
def test_scripts():
    scripts.check(scripts.run("kernel", "unshare", "--net"))
