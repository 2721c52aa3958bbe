# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os

from contract.line import LINE_BYTES
from sensor.core.counters import Count, Counters
from sensor.sinks.jsonlines import JsonLinesSink
from tests.unit.finding_factory import make_finding


def written(finding, counters):
    """What the sink writes for one finding."""
    reader, writer = os.pipe()
    try:
        assert JsonLinesSink(writer, counters).write(finding)
        return os.read(reader, 1 << 16)
    finally:
        os.close(reader)
        os.close(writer)


def test_one_finding_is_one_line():
    """A newline in a path does not make two lines of it, and the line is the finding."""
    finding = make_finding(path="/tmp/a\nb")
    line = written(finding, Counters())
    assert line.count(b"\n") == 1
    assert json.loads(line) == finding


def test_a_long_finding_is_cut_marked_and_counted():
    """The line's limit holds and the counter says that it was needed."""
    counters = Counters()
    line = written(make_finding(cmdline=b"\x01" * 2048, path=b"\x02" * 1024), counters)
    assert len(line) <= LINE_BYTES
    assert json.loads(line)["cut"]
    assert counters.value(Count.SINK_CUT) == 1
    assert counters.value(Count.SINK_FAILED) == 0
