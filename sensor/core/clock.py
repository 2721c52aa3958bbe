# SPDX-License-Identifier: Apache-2.0
"""
The three clocks the sensor needs, behind one seam, so that tests and replays own the time.

The kernel stamps frames with CLOCK_MONOTONIC and processes with CLOCK_BOOTTIME;
people read wall time. Wall time is only ever *computed* from a monotonic stamp,
so that the order of findings does not depend on somebody setting the clock, and
a replayed recording has the wall times of the machine it came from.

Sources: clock_gettime(2); bpf_ktime_get_ns() in bpf-helpers(7); task_struct.start_boottime.
"""

from __future__ import annotations

import time
from typing import Protocol

_SAMPLES = 5
"""Readings of which the tightest is believed: one may be interrupted between its two clocks."""


class Clock(Protocol):
    """What the sensor asks about time. All values are nanoseconds."""

    def monotonic_ns(self) -> int:
        """Since boot without suspend, CLOCK_MONOTONIC: the clock of ``ts_ns`` in frames."""

    def boottime_ns(self) -> int:
        """Since boot with suspend, CLOCK_BOOTTIME: the clock of ``start_ns`` in frames."""

    def wall_ns(self, monotonic_ns: int) -> int:
        """Since 1970 UTC at the moment that CLOCK_MONOTONIC showed *monotonic_ns*."""


class RealClock:
    """
    The machine's clocks.

    The distance of wall and monotonic time is measured when the object is made
    and by `resync`; the agent calls that once a minute, because NTP, people and
    suspends move it.
    """

    def __init__(self) -> None:
        self._wall_offset_ns = _wall_offset_ns()

    @property
    def wall_offset_ns(self) -> int:
        """Wall minus monotonic time, as last measured."""
        return self._wall_offset_ns

    def monotonic_ns(self) -> int:
        """See `Clock`."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def boottime_ns(self) -> int:
        """See `Clock`."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wall_ns(self, monotonic_ns: int) -> int:
        """See `Clock`."""
        return monotonic_ns + self._wall_offset_ns

    def resync(self) -> int:
        """Measure the offset again; returns by how much it moved, in ns."""
        before = self._wall_offset_ns
        self._wall_offset_ns = _wall_offset_ns()
        return self._wall_offset_ns - before


class FakeClock:
    """A clock that stands still until told: for tests, and for replays, where frames move it."""

    def __init__(self, monotonic_ns: int = 0, *, wall_offset_ns: int = 0, boottime_offset_ns: int = 0) -> None:
        self._now_ns = monotonic_ns
        self.wall_offset_ns = wall_offset_ns
        self.boottime_offset_ns = boottime_offset_ns

    def monotonic_ns(self) -> int:
        """See `Clock`."""
        return self._now_ns

    def boottime_ns(self) -> int:
        """See `Clock`."""
        return self._now_ns + self.boottime_offset_ns

    def wall_ns(self, monotonic_ns: int) -> int:
        """See `Clock`."""
        return monotonic_ns + self.wall_offset_ns

    def advance(self, by_ns: int) -> None:
        """Let *by_ns* pass; a monotonic clock does not go back."""
        if by_ns < 0:
            raise ValueError(f"a monotonic clock cannot go back by {-by_ns} ns")
        self._now_ns += by_ns

    def advance_to(self, monotonic_ns: int) -> None:
        """Go to *monotonic_ns*, or stay when that has passed: frames of two lanes may overtake each other."""
        self._now_ns = max(self._now_ns, monotonic_ns)


def _wall_offset_ns() -> int:
    best_width_ns, best_offset_ns = 1 << 62, 0
    for _ in range(_SAMPLES):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        if after - before < best_width_ns:
            best_width_ns, best_offset_ns = after - before, wall - (before + after) // 2
    return best_offset_ns
