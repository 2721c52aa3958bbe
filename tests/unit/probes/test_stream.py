# SPDX-License-Identifier: Apache-2.0
"""Draining the lanes, with buffers that are lists; the real ones are in every live test."""

from __future__ import annotations

import os

import pytest

from sensor.probes import stream
from sensor.probes.stream import BATCH_FRAMES, Stream, close_all

MAPS = {"reserved_lane": 7, "common_lane": 8}


class Rings:
    """Ring buffers that hold what the test puts in, emptied in their order until the receiver has enough."""

    def __init__(self, fds, receive):
        self.fds, self.receive, self.epoll_fds, self.closed = fds, receive, (42,), False
        self.waiting = {fd: [] for fd in fds}

    def consume(self):
        for fd in self.fds:
            while self.waiting[fd]:
                if self.receive(self.waiting[fd].pop(0)):
                    return

    def close(self):
        self.closed = True


class Perf:
    """Perf buffers: all at once, and an account of what had no room."""

    def __init__(self, fds, receive, lost, pages):
        self.fds, self.receive, self.lost, self.pages, self.epoll_fds = fds, receive, lost, pages, (43, 44)

    def consume(self):
        self.receive(b"frame")
        self.lost(3)

    def close(self):
        """Nothing to unmap."""


@pytest.fixture
def rings(monkeypatch):
    """A stream on ring buffers."""
    monkeypatch.setattr(stream.libbpf, "RingBuffers", Rings)
    return Stream(MAPS, ringbuf=True, lost=lambda _n: None)


def test_the_reserved_lane_comes_first(rings):
    """However long the common one is."""
    rings._source.waiting[8] = [b"c1", b"c2"]
    rings._source.waiting[7] = [b"r1"]
    assert rings.take() == (b"r1", b"c1", b"c2")
    assert rings.take() == ()
    assert rings.epoll_fds == (42,)


def test_a_batch_has_an_end(rings):
    """What is not taken stays where it is, and reserved frames that came meanwhile are next."""
    rings._source.waiting[8] = [b"%d" % number for number in range(BATCH_FRAMES + 5)]
    assert len(rings.take()) == BATCH_FRAMES
    rings._source.waiting[7] = [b"r"]
    assert rings.take() == (b"r", *(b"%d" % number for number in range(BATCH_FRAMES, BATCH_FRAMES + 5)))


def test_perf_buffers_tell_what_they_lost(monkeypatch):
    """Older kernels: the same frames, the same order of lanes, and an account."""
    monkeypatch.setattr(stream.libbpf, "PerfBuffers", Perf)
    lost = []
    made = Stream(MAPS, ringbuf=False, lost=lost.append)
    assert made.take() == (b"frame",)
    assert lost == [3]
    assert (made._source.fds, made._source.pages, made.epoll_fds) == ((7, 8), stream.PERF_PAGES, (43, 44))


def test_closing(rings):
    """The buffers are unmapped; descriptors are closed by those who hold them."""
    rings.close()
    assert rings._source.closed
    ends = os.pipe()
    close_all(dict(zip(("a", "b"), ends, strict=True)))
    for fd in ends:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
