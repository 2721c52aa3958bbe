# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.clock import FakeClock, RealClock


def test_real_clocks_go_on():
    """Monotonic time never goes back, and boot time is not behind it (it counts suspends too)."""
    clock = RealClock()
    before = clock.monotonic_ns()
    after = clock.monotonic_ns()
    assert before <= after <= clock.boottime_ns()


def test_wall_time_is_computed_from_the_monotonic_stamp():
    """Two stamps are as far apart in wall time as they were, and lie in this century."""
    clock = RealClock()
    stamp = clock.monotonic_ns()
    assert clock.wall_ns(stamp + 5) - clock.wall_ns(stamp) == 5
    assert clock.wall_ns(stamp) == stamp + clock.wall_offset_ns
    assert clock.wall_ns(stamp) > 1_600_000_000 * 10**9


def test_resync_tells_how_far_the_wall_clock_moved(monkeypatch):
    """A clock that somebody set is followed, and the step is told."""
    clock = RealClock()
    before = clock.wall_offset_ns
    monkeypatch.setattr("sensor.core.clock._wall_offset_ns", lambda: before + 1_000)
    assert clock.resync() == 1_000
    assert clock.wall_offset_ns == before + 1_000


def test_a_fake_clock_stands_until_told():
    """Tests and replays own the time, and it never goes back."""
    clock = FakeClock(100, wall_offset_ns=1_000, boottime_offset_ns=7)
    assert (clock.monotonic_ns(), clock.boottime_ns(), clock.wall_ns(100)) == (100, 107, 1_100)
    clock.advance(5)
    clock.advance_to(50)
    assert clock.monotonic_ns() == 105
    clock.advance_to(200)
    assert clock.monotonic_ns() == 200
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)
