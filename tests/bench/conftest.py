# SPDX-License-Identifier: MPL-2.0
"""What the tests of this folder use is in tests/support."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "support"))
