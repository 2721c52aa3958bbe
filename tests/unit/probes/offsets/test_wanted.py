# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

from sensor.probes.offsets.wanted import WANTED, WANTED_TRACEPOINTS


def test_macros_are_unique_c_names():
    """Two members must not become one macro."""
    macros = [item.macro for item in (*WANTED, *WANTED_TRACEPOINTS)]
    assert len(set(macros)) == len(macros)
    assert all(re.fullmatch(r"\w+", macro) for macro in macros)
