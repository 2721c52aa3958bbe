# SPDX-License-Identifier: Apache-2.0
"""
What is worth remembering of a process between its events.

A process is its id *and* its start time: ids are used again. For now that is
its command line as text, which every finding shows and which is costly to make
again for each of a busy process's events. Bounded; forgotten at exit, or when
not seen for longest. One thread owns a table.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sensor.core.counters import Count
from sensor.core.escape import lossless

if TYPE_CHECKING:
    from sensor.core.counters import Counters

MAX_PROCESSES = 4_096
"""Processes with an event that had a candidate; at 300 bytes each 1.2 MB."""


class Acted(Protocol):
    """What of an event is looked at."""

    tgid: int
    start_ns: int
    cmdline: bytes


@dataclass(slots=True)
class Process:
    """One process, as its latest event told of it."""

    tgid: int
    start_ns: int
    cmdline_raw: bytes
    """Arguments, each ended by a NUL; the last one may have lost its end."""
    cmdline: str
    r"""The same as text: a space between arguments, bytes that are not UTF-8 as ``\xNN``. Control characters are still in it."""


class ProcessTable:
    """The processes that acted lately."""

    def __init__(self, counters: Counters, *, max_processes: int = MAX_PROCESSES) -> None:
        self._counters = counters
        self._max = max_processes
        self._processes: OrderedDict[tuple[int, int], Process] = OrderedDict()

    def __len__(self) -> int:
        """Processes known."""
        return len(self._processes)

    def seen(self, event: Acted) -> Process:
        """Return the process of *event*, brought up to date: an exec, or a process that writes its own arguments, changes the command line."""
        key = (event.tgid, event.start_ns)
        process = self._processes.get(key)
        if process is None:
            process = self._processes[key] = Process(event.tgid, event.start_ns, event.cmdline, cmdline_text(event.cmdline))
            if len(self._processes) > self._max:
                self._processes.popitem(last=False)
                self._counters.add(Count.PROCESSES_EVICTED)
            return process
        self._processes.move_to_end(key)
        if process.cmdline_raw != event.cmdline:
            process.cmdline_raw = event.cmdline
            process.cmdline = cmdline_text(event.cmdline)
        return process

    def gone(self, tgid: int, start_ns: int) -> None:
        """The process ended; one that nobody knew is no mistake."""
        self._processes.pop((tgid, start_ns), None)


def cmdline_text(raw: bytes) -> str:
    r"""Return a command line for people: arguments joined by spaces, what is not UTF-8 as ``\xNN``. Escaping for a terminal is the sink's."""
    return lossless(raw.rstrip(b"\0").replace(b"\0", b" "))
