# SPDX-License-Identifier: Apache-2.0
"""
Do aside what others can hold up, and do not wait for it for long.

To read a process's arguments is to wait for its memory map, and a file in a
container may lie on a file system that a user serves (FUSE) and that never
answers. The agent's loop asks through an `Aside`: a thread does the reading,
the loop waits a short time, and what takes longer is not known. A thread that
is held up is left to itself and ends when it is let go; while `STUCK_MOST` of
them hang, nothing is read and nobody waits. Who answers slowly every time takes
at most a tenth of the loop's time: what comes beyond it is not begun.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from sensor.core.counters import Count

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.core.clock import Clock
    from sensor.core.counters import Counters

DEADLINE_S = 0.05
"""A reading takes 0.1 ms; the kernel's buffers hold some 1,000 frames meanwhile."""

STUCK_MOST = 4
"""Threads that may hang at a time: each cost its caller the deadline once, and keeps 50 KiB."""


BUDGET_NS = 200_000_000
"""Most time that is waited at once: some 3,000 readings."""

SHARE = 10
"""One part in so many of all time is the budget's: some 1,500 readings a second."""


_NONE = object()
"""No answer; None is one."""


class _Job:
    """One reading."""

    __slots__ = ("answer", "done", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.answer: Any = None
        self.done = threading.Event()


class Aside:
    """
    Readings with a deadline. One thread asks.

    Args:
        counters: where readings that took too long, or were not begun, are counted.
        clock: the loop's.
        deadline_s: how long the caller waits.
    """

    def __init__(self, counters: Counters, clock: Clock, *, deadline_s: float = DEADLINE_S) -> None:
        self._counters = counters
        self._clock = clock
        self._left_ns = BUDGET_NS
        self._asked_at_ns = clock.monotonic_ns()
        self._deadline_s = deadline_s
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._hanging: list[threading.Thread] = []

    def ask(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401  # what *work* returns
        """Return what *work* returns; None when it takes too long, raises OSError or ValueError, or too many before it hang."""
        began_ns = self._clock.monotonic_ns()
        self._left_ns = min(BUDGET_NS, self._left_ns + (began_ns - self._asked_at_ns) // SHARE)
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        answer = self._ask(work) if self._left_ns > 0 and len(self._hanging) < STUCK_MOST else _NONE
        self._asked_at_ns = self._clock.monotonic_ns()
        self._left_ns -= self._asked_at_ns - began_ns
        if answer is _NONE:
            self._counters.add(Count.PROCESSES_UNREAD)
            return None
        return answer

    def _ask(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401  # as above
        if self._thread is None:
            thread = threading.Thread(target=_work, args=(self._jobs,), name="aside", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread is to be had: the cgroup's pids.max
                return _NONE
            self._thread = thread
        job = _Job(work)
        self._jobs.put(job)
        if job.done.wait(self._deadline_s):
            return job.answer
        self._hanging.append(self._thread)
        self.close()
        return _NONE

    def close(self) -> None:
        """Let the thread end when it is idle; asking again starts another."""
        self._jobs.put(None)
        self._jobs = SimpleQueue()
        self._thread = None


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        with suppress(OSError, ValueError):
            job.answer = job.work()
        job.done.set()
