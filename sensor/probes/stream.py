# SPDX-License-Identifier: Apache-2.0
"""
Drain the kernel's lanes into Python.

This is the hottest loop of the sensor. Its promises:

* The callback appends the record's bytes and returns. It does not decode, log or
  raise: ctypes prints an exception raised in a callback and carries on, so a
  raise here would be an event lost without a count.
* The reserved lane is emptied before the common one is looked at, every time.
* Memory is bounded by `BATCH_FRAMES`: what is not taken stays in the kernel's
  buffer, where a full one is counted.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sensor.adapters import libbpf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BATCH_FRAMES = 2048
"""Most records taken in one go. It bounds how long a signal waits, not how late an event is seen."""

PERF_PAGES = 64
"""Perf buffer of each CPU and lane, in 4 KiB pages: 256 KiB."""


class Stream:
    """The two lanes of the sensor's frames, through the descriptors the loader handed over."""

    def __init__(self, maps: Mapping[str, int], *, ringbuf: bool, lost: Callable[[int], None]) -> None:
        """*lost* is told how many records a perf buffer had no room for; ring buffers count that in the kernel."""
        self._batch: list[bytes] = []
        lanes = (maps["reserved_lane"], maps["common_lane"])
        self._source: libbpf.RingBuffers | libbpf.PerfBuffers
        if ringbuf:
            self._source = libbpf.RingBuffers(lanes, self._receive)
        else:
            self._source = libbpf.PerfBuffers(lanes, self._batch.append, lost, PERF_PAGES)
        self.epoll_fds = self._source.epoll_fds
        """Descriptors that are readable when records wait."""

    def _receive(self, record: bytes) -> int:
        self._batch.append(record)
        return len(self._batch) >= BATCH_FRAMES

    def take(self) -> tuple[bytes, ...]:
        """Records that wait, at most about `BATCH_FRAMES`; fewer than that means there are no more."""
        self._source.consume()
        batch = tuple(self._batch)
        self._batch.clear()
        return batch

    def close(self) -> None:
        """Unmap the buffers."""
        self._source.close()


def close_all(fds: Mapping[str, int]) -> None:
    """Close descriptors; with the links gone nothing of the sensor is attached."""
    for fd in fds.values():
        os.close(fd)
