# SPDX-License-Identifier: MPL-2.0
"""Fixtures of the system tests; what they use is in tests/support/heka.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "support"))
import heka  # noqa: E402


@pytest.fixture
def lab():
    made = heka.Lab()
    yield made
    made.close()
