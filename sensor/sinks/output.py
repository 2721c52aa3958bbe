# SPDX-License-Identifier: Apache-2.0
"""
Write whole lines to a descriptor, and never raise.

What the text and the JSON sink share. A line goes out in one ``write(2)`` where
the kernel takes it in one; where it takes a part (a full pipe) the rest follows
before anything else does, so a reader never sees two lines mixed. A descriptor
that does not take bytes is waited for, but for a bounded time, and once until
it takes some again: findings must not stop the sensor because somebody's
``less`` stands still. Most descriptors that we are given block; they are asked
first, and given no more than they have room for then.
"""

from __future__ import annotations

import os
import select
import stat
from typing import TYPE_CHECKING

from sensor.core.counters import Count

if TYPE_CHECKING:
    from sensor.core.counters import Counters

WAIT_MS = 100
"""Longest wait for a descriptor that takes nothing. A pipe's reader that needs longer loses findings, counted."""

_WHOLE = 1 << 30


def _piece_bytes(fd: int) -> int:
    """
    How much can be written at once to *fd*, after poll(2) said that there is room, without ever blocking.

    Source:
        pipe(7): a pipe is writable when a page of it is free, and PIPE_BUF is what fits. Files do not block in this sense.
    """
    try:
        is_safe = not os.get_blocking(fd) or stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        return _WHOLE  # write(2) will say what is wrong
    return _WHOLE if is_safe else select.PIPE_BUF


class LineWriter:
    """
    Writes to *fd*, which stays its owner's.

    After EPIPE, or an error that will not go away, it is closed: later lines
    are counted as lost without a system call.
    """

    def __init__(self, fd: int, counters: Counters, *, wait_ms: int = WAIT_MS) -> None:
        self._fd = fd
        self._counters = counters
        self._wait_ms = wait_ms
        self._piece_bytes = _piece_bytes(fd)
        self._is_stuck = False
        self._rest = b""
        self.failure = ""
        """Why nothing is written any more, empty while all is well: for the sensor's health."""

    @property
    def is_open(self) -> bool:
        """Whether lines are still taken."""
        return self._fd >= 0

    def write(self, line: bytes) -> bool:
        """
        Write *line*, its newline included; returns whether all of it is out.

        What is lost is counted. A line of which a part is out is not lost yet:
        its rest goes before the next line.
        """
        if not self._flush_rest():
            self._counters.add(Count.SINK_FAILED)
            return False
        left = self._push(line)
        if left and (left == line or self._fd < 0):
            self._counters.add(Count.SINK_FAILED)
            return False
        self._rest = left
        return not left

    def close(self) -> None:
        """Try once more to bring out a line's rest, and take no more."""
        if self._rest and not self._flush_rest():
            self._lose_rest()
        self._fd = -1

    def _flush_rest(self) -> bool:
        """Bring out what is left of the line before; returns whether another line may follow."""
        if self._rest:
            self._rest = self._push(self._rest)
            if self._rest and self._fd < 0:
                self._lose_rest()
        return self._fd >= 0 and not self._rest

    def _lose_rest(self) -> None:
        self._rest = b""
        self._counters.add(Count.SINK_FAILED)

    def _push(self, data: bytes) -> bytes:
        """Write *data*, waiting at most once; returns what could not be written."""
        has_waited = False
        while data and self._fd >= 0:
            try:
                if self._piece_bytes != _WHOLE and not self._wait():
                    return data
                data = data[os.write(self._fd, data[: self._piece_bytes]) :]
            except BlockingIOError:
                if has_waited or not self._wait():
                    return data
                has_waited = True
            except OSError as error:  # EPIPE, ENOSPC, EIO …: os.write retries EINTR itself (PEP 475)
                self.failure = error.strerror or str(error)
                if not isinstance(error, BrokenPipeError):
                    return data
                self._fd = -1
        return data

    def _wait(self) -> bool:
        """Wait until there is room; not at all while the last wait was in vain."""
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        self._is_stuck = not poll.poll(0 if self._is_stuck else self._wait_ms)
        return not self._is_stuck
