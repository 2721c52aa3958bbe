# SPDX-License-Identifier: Apache-2.0
"""
How long the live tests wait before they call a thing lost.

Every wait is for the thing itself, and ends as soon as it is there; the figures
only say when to give up. ``SCOUT_SLOW`` stretches them (an emulated machine on
a busy host: 20).
"""

from __future__ import annotations

import os
import time


def patience_s(seconds: float) -> float:
    """Return *seconds* of a quick machine as seconds of this one."""
    return seconds * float(os.environ.get("SCOUT_SLOW") or 1)


class Deadline:
    """A moment *seconds* (of a quick machine) ahead."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + patience_s(seconds)

    def left_s(self) -> float:
        """Seconds until then, never negative."""
        return max(0.0, self._at - time.monotonic())

    def passed(self) -> bool:
        """Whether the moment is over."""
        return self.left_s() == 0
