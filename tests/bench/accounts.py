# SPDX-License-Identifier: Apache-2.0
"""
What a sensor's own processes use: CPU time and memory, by the kernel's account.

CPU is the scheduler's nanoseconds per thread (/proc/PID/task/TID/schedstat,
Documentation/scheduler/sched-stats.rst), which a clock tick of 10 ms would
round away. A process that ended meanwhile has none.
"""

from __future__ import annotations

import time
from pathlib import Path

PROC = Path("/proc")
_QUIET_SHARE = 0.05
"""Of a core: below it a sensor has worked off its backlog."""
_LOOK_S = 0.2


def tree(pid: int) -> list[int]:
    """Return *pid* and its descendants."""
    found = [pid]
    try:
        for task in (PROC / str(pid) / "task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    except (OSError, ValueError):
        pass  # it ended while it was looked at
    return found


def cpu_ns(pid: int) -> int:
    """Return the CPU time of *pid* and its descendants so far, nanoseconds."""
    total = 0
    for process in tree(pid):
        try:
            for task in (PROC / str(process) / "task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        except (OSError, IndexError, ValueError):
            continue
    return total


def memory_mib(pid: int) -> dict[str, float]:
    """Return what *pid* and its descendants hold, MiB: ``rss``, ``anonymous``, ``file``, ``pss`` (shared pages by their share), ``peak``."""
    names = {"VmRSS": "rss", "RssAnon": "anonymous", "RssFile": "file", "VmHWM": "peak"}
    total = dict.fromkeys((*names.values(), "pss"), 0.0)
    for process in tree(pid):
        try:
            lines = (PROC / str(process) / "status").read_text().splitlines() + (PROC / str(process) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(":")
            key = "pss" if name == "Pss" else names.get(name)
            if key:
                total[key] += int(value.split()[0]) / 1024
    return total


def settle(pid: int, *, most_s: float = 20.0) -> None:
    """Wait until *pid* and its descendants have next to nothing to do, *most_s* seconds at most."""
    end = time.monotonic() + most_s
    before = cpu_ns(pid)
    while time.monotonic() < end:
        time.sleep(_LOOK_S)
        after = cpu_ns(pid)
        if after - before < _QUIET_SHARE * _LOOK_S * 1e9:
            return
        before = after
