# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sensor.core.counters import Count, Counters
from sensor.sinks.output import LineWriter


@pytest.fixture
def pipe():
    """A pipe whose writing end does not block."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ends = {"reader": reader, "writer": writer}
    yield ends
    for end in ends.values():
        if end >= 0:
            os.close(end)


def fill(fd):
    """Fill a pipe to its last byte; returns how many bytes it took."""
    taken = 0
    for size in (4096, 1):
        try:
            while True:
                taken += os.write(fd, b"#" * size)
        except BlockingIOError:
            pass
    return taken


def test_a_line_is_out_at_once(pipe):
    """What was written is in the pipe before write returns."""
    counters = Counters()
    assert LineWriter(pipe["writer"], counters).write(b"one\n")
    assert os.read(pipe["reader"], 100) == b"one\n"
    assert counters.value(Count.SINK_FAILED) == 0


def test_a_full_pipe_loses_the_line_and_counts_it(pipe):
    """A reader that stands still costs the finding, not the sensor; when it reads on, the next line is out."""
    counters = Counters()
    writer = LineWriter(pipe["writer"], counters, wait_ms=0)
    taken = fill(pipe["writer"])
    assert not writer.write(b"lost\n")
    assert counters.value(Count.SINK_FAILED) == 1
    os.read(pipe["reader"], taken)
    assert writer.write(b"kept\n")
    assert os.read(pipe["reader"], 100) == b"kept\n"


def test_a_line_is_never_mixed_with_another(pipe):
    """When a part of a line is out its rest follows before the next line; nothing of it is counted as lost."""
    counters = Counters()
    writer = LineWriter(pipe["writer"], counters, wait_ms=0)
    line = b"a" * 200_000 + b"\n"
    assert not writer.write(line)
    assert counters.value(Count.SINK_FAILED) == 0
    assert not writer.write(b"lost\n")
    assert counters.value(Count.SINK_FAILED) == 1
    seen = os.read(pipe["reader"], 1 << 20)
    while len(seen) < len(line):
        writer.write(b"b\n")
        seen += os.read(pipe["reader"], 1 << 20)
    assert seen.startswith(line)
    assert set(seen[len(line) :].splitlines()) <= {b"b"}


def test_a_reader_that_went_away_is_counted_and_said_once(pipe):
    """EPIPE closes the writer: later lines are counted without trying, and the reason can be shown."""
    counters = Counters()
    writer = LineWriter(pipe["writer"], counters)
    os.close(pipe["reader"])
    pipe["reader"] = -1
    assert not writer.write(b"1\n")
    assert not writer.write(b"2\n")
    assert (writer.is_open, writer.failure) == (False, os.strerror(errno.EPIPE))
    assert counters.value(Count.SINK_FAILED) == 2


def test_a_full_disk_is_tried_again():
    """ENOSPC loses the line and counts it, and the next line is tried."""
    counters = Counters()
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer = LineWriter(full.fileno(), counters)
        assert not writer.write(b"1\n")
        assert (writer.is_open, writer.failure) == (True, os.strerror(errno.ENOSPC))
    assert counters.value(Count.SINK_FAILED) == 1


def test_closing_brings_out_the_rest(pipe):
    """A line's rest is not forgotten at the end, and what cannot be brought out is counted."""
    counters = Counters()
    writer = LineWriter(pipe["writer"], counters, wait_ms=0)
    writer.write(b"a" * 70_000 + b"\n")
    os.read(pipe["reader"], 1 << 20)
    writer.close()
    assert os.read(pipe["reader"], 1 << 20).endswith(b"a\n")
    assert counters.value(Count.SINK_FAILED) == 0
    stuck = LineWriter(pipe["writer"], counters, wait_ms=0)
    stuck.write(b"a" * 200_000 + b"\n")
    stuck.close()
    stuck.close()
    assert counters.value(Count.SINK_FAILED) == 1
    assert not stuck.write(b"1\n")


def test_a_full_pipe_that_blocks_is_never_written_to(pipe):
    """Standard output as a shell gives it blocks; nobody reads, and write comes back all the same, with a part of a line out or none."""
    counters = Counters()
    fill(pipe["writer"])
    os.read(pipe["reader"], 10_000)
    os.set_blocking(pipe["writer"], True)
    writer = LineWriter(pipe["writer"], counters, wait_ms=0)
    line = b"a" * 15_999 + b"\n"
    assert not writer.write(line)
    assert not writer.write(b"lost\n")
    assert counters.value(Count.SINK_FAILED) == 1
    seen = os.read(pipe["reader"], 1 << 20)
    assert writer.write(b"b\n")
    assert (seen + os.read(pipe["reader"], 1 << 20)).endswith(b"#" + line + b"b\n")


def test_a_reader_that_stands_still_is_waited_for_once(pipe, monkeypatch):
    """A wait for each line would slow the sensor down until the kernel's buffers run over."""
    waits = []

    class Poll:
        def register(self, *_words):
            pass

        def poll(self, timeout_ms):
            waits.append(timeout_ms)
            return []

    monkeypatch.setattr("sensor.sinks.output.select.poll", Poll)
    fill(pipe["writer"])
    writer = LineWriter(pipe["writer"], Counters(), wait_ms=70)
    for _ in range(3):
        writer.write(b"lost\n")
    assert waits == [70, 0, 0]
