# SPDX-License-Identifier: Apache-2.0
"""The contract every sink keeps, asked of each in the registry."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest

from sensor.core.counters import Count, Counters
from sensor.sinks.jsonlines import JsonLinesSink
from sensor.sinks.registry import SINKS
from sensor.sinks.text import TextSink
from tests.unit.finding_factory import make_finding


def make_sink(kind, fd, counters):
    """A sink of *kind* as the agent makes it."""
    return TextSink(fd, counters, colour=False) if kind is TextSink else JsonLinesSink(fd, counters)


@pytest.fixture
def pipe():
    """A pipe, its writing end non-blocking."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_names_are_unique():
    """A name in the settings means one sink."""
    assert [sink.name for sink in SINKS] == ["text", "json"]


@pytest.mark.parametrize("kind", SINKS)
def test_findings_come_out_in_order_and_unchanged(kind, pipe):
    """What is written first is read first, and the finding is the caller's as before."""
    counters = Counters()
    sink = make_sink(kind, pipe[1], counters)
    for name in ("first", "second"):
        finding = make_finding(path=f"/{name}")
        before = copy.deepcopy(finding)
        assert sink.write(finding)
        assert finding == before
    out = os.read(pipe[0], 1 << 16)
    assert 0 < out.index(b"/first") < out.index(b"/second")
    assert out.endswith(b"\n")
    assert counters.snapshot().losses == {}


@pytest.mark.parametrize("kind", SINKS)
def test_a_failure_is_counted_and_never_raised(kind, pipe):
    """A descriptor that takes nothing costs the finding and is counted; so does one that is gone."""
    counters = Counters()
    with Path("/dev/full").open("wb", buffering=0) as full:
        sink = make_sink(kind, full.fileno(), counters)
        assert sink.write(make_finding()) is False
        assert sink.failure
    assert sink.write(make_finding()) is False
    assert counters.value(Count.SINK_FAILED) == 2


@pytest.mark.parametrize("kind", SINKS)
def test_closing_twice_is_fine_and_ends_it(kind, pipe):
    """After close nothing is written, and the descriptor is still its owner's."""
    sink = make_sink(kind, pipe[1], Counters())
    sink.close()
    sink.close()
    assert sink.write(make_finding()) is False
    os.write(pipe[1], b"x")
