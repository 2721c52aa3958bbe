# SPDX-License-Identifier: Apache-2.0
"""
The last lines of the sensor's own log, kept for whoever asks (``scout support``).

A log goes to standard error, which somebody else keeps or nobody does. What is
kept here is bounded in lines and in bytes; what had to go is counted and said
at the head. Lines come from every thread.
"""

from __future__ import annotations

from collections import deque
from threading import Lock

MAX_LINES = 2_000
MAX_BYTES = 1 << 20
"""Half a year of a quiet sensor, minutes of one in trouble."""


class LogTail:
    """The end of a log."""

    def __init__(self, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        self._lines: deque[str] = deque()
        self._bytes = 0
        self._gone = 0
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self._lock = Lock()

    def add(self, line: str) -> None:
        """Keep *line*, without its newline."""
        with self._lock:
            self._lines.append(line)
            self._bytes += len(line)
            while len(self._lines) > self._max_lines or (self._bytes > self._max_bytes and len(self._lines) > 1):
                self._bytes -= len(self._lines.popleft())
                self._gone += 1

    def text(self) -> str:
        """Return what is kept, oldest first, and how much is not."""
        with self._lock:
            lines, gone = list(self._lines), self._gone
        return "\n".join([*([f"[{gone} lines before these are gone]"] if gone else []), *lines, ""])
