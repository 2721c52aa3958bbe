# SPDX-License-Identifier: Apache-2.0
"""
Fold what one process does again and again into a count.

The first of like acts is reported at once; what follows within the window is
counted and told in one more finding when the window closes, when the sensor
stops, or when room is needed. Like means: same process (pid and start), same
rule, and every value of the act and of the process's identity the same, so
another path, address, user or command line is never hidden, and two processes
are never one. Memory is bounded by `MAX_OPEN`; the oldest window closes early.

The engine asks `folds` before it builds a finding and gives `opened` what it
built, so that a folded act costs one look-up.
"""

from __future__ import annotations

from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sensor.engine.findings import wall_text

if TYPE_CHECKING:
    from contract.finding import Finding
    from sensor.core.clock import Clock

WINDOW_NS = 10_000_000_000
"""How long like acts are folded, from the first: short enough that the count is news, long enough to fold a loop."""

MAX_OPEN = 512
"""Windows open at a time. With the longest paths and command lines one holds some 30 KB: 15 MB at worst, below 3 MB in use."""

_PROCESS_MEMBERS = ("tgid", "start_ns", "comm", "exe_path", "cmdline", "cwd", "uid", "gid", "euid", "egid", "cap_effective", "cgroup_id", "tty_dev", "flags")

_ACT_MEMBERS: dict[str, tuple[str, ...]] = {
    "open": ("path", "asked", "fs_path", "dirfd", "open_flags", "open_mode", "inode"),
    "exec": ("asked", "interpreter", "fs_path"),
    "connect": ("family", "protocol", "daddr", "dport", "saddr", "unix_path"),
    "flood": ("flooded_kind", "flooded_lane"),
}
"""What makes acts alike, beside how they ended. Left out: which call it was, a descriptor's number, the own port, how many a flood has dropped."""


class _Window:
    """Like acts since the first."""

    __slots__ = ("count", "finding", "first_ts_ns", "last_ts_ns")

    def __init__(self, finding: Finding, ts_ns: int) -> None:
        self.finding = finding
        self.first_ts_ns = ts_ns
        self.last_ts_ns = ts_ns
        self.count = 0


class Aggregator:
    """
    Holds the open windows.

    Args:
        clock: Says when windows close; the events' own times say what falls into one.
        window_ns: Length of a window; 0 folds nothing.
        max_open: Windows open at a time.
    """

    def __init__(self, clock: Clock, *, window_ns: int = WINDOW_NS, max_open: int = MAX_OPEN) -> None:
        self._clock = clock
        self._window_ns = window_ns
        self._max_open = max_open
        self._windows: dict[tuple[object, ...], _Window] = {}  # in the order they were opened
        self._closed: list[Finding] = []

    def folds(self, event: Any, rule_id: str) -> bool:  # noqa: ANN401  # event classes are generated
        """Count *event* into an open window and return True, or return False: it is to be reported."""
        if not self._windows:
            return False
        key = _key(event, rule_id)
        window = self._windows.get(key)
        if window is None:
            return False
        if event.ts_ns - window.first_ts_ns >= self._window_ns:
            self._close(key)
            return False
        window.count += 1
        window.last_ts_ns = max(window.last_ts_ns, event.ts_ns)
        return True

    def opened(self, event: Any, rule_id: str, finding: Finding) -> None:  # noqa: ANN401  # event classes are generated
        """Open the window of a finding that was just reported. It is kept, not copied: nobody may change it later."""
        if self._window_ns <= 0 or self._max_open <= 0:
            return
        key = _key(event, rule_id)
        if key in self._windows:
            self._close(key)
        if len(self._windows) >= self._max_open:
            self._close(next(iter(self._windows)))
        self._windows[key] = _Window(finding, event.ts_ns)

    def due(self) -> list[Finding]:
        """Return the findings of windows that have closed since the last call; windows that folded nothing have none."""
        now_ns = self._clock.monotonic_ns()
        while self._windows:
            key, window = next(iter(self._windows.items()))
            if now_ns - window.first_ts_ns < self._window_ns:
                break
            self._close(key)
        closed, self._closed = self._closed, []
        return closed

    def next_due_ns(self) -> int | None:
        """Return when the oldest window closes (CLOCK_MONOTONIC), so that the loop can sleep until then; None when none is open."""
        return next((window.first_ts_ns + self._window_ns for window in self._windows.values()), None)

    def close(self) -> list[Finding]:
        """Close every window and return what they folded: at the end of the run."""
        while self._windows:
            self._close(next(iter(self._windows)))
        closed, self._closed = self._closed, []
        return closed

    def _close(self, key: tuple[object, ...]) -> None:
        window = self._windows.pop(key)
        if window.count:
            self._closed.append(self._told(window))

    def _told(self, window: _Window) -> Finding:
        """The finding that tells the folded acts: like the first, at the time of the last."""
        first_id = window.finding["id"]
        return {
            **window.finding,
            "id": blake2b(f"{first_id} {window.count} {window.last_ts_ns}".encode(), digest_size=16).hexdigest(),
            "time": wall_text(self._clock, window.last_ts_ns),
            "ts_ns": window.last_ts_ns,
            "aggregated": window.count,
            "repeats": first_id,
        }


def _key(event: Any, rule_id: str) -> tuple[object, ...]:  # noqa: ANN401  # event classes are generated
    ret = getattr(event, "ret", 0)
    return (rule_id, event.kind_name, min(ret, 0), *_VALUES[event.kind_name](event))


_VALUES = {kind: attrgetter(*_PROCESS_MEMBERS, *members) for kind, members in _ACT_MEMBERS.items()}
