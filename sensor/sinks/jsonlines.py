# SPDX-License-Identifier: Apache-2.0
"""One finding, one line of JSON (`contract.line`), out at once: for log collectors and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.line import to_line
from sensor.core.counters import Count
from sensor.sinks.output import LineWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.core.counters import Counters


class JsonLinesSink:
    """Writes findings to *fd* as JSON lines; see `sensor.core.ports.Sink`."""

    name = "json"

    def __init__(self, fd: int, counters: Counters) -> None:
        self._counters = counters
        self._writer = LineWriter(fd, counters)

    @property
    def failure(self) -> str:
        """Why nothing is written any more; empty while all is well."""
        return self._writer.failure

    def write(self, finding: Mapping[str, object]) -> bool:
        """See `Sink`."""
        line, was_cut = to_line(finding)
        if was_cut:
            self._counters.add(Count.SINK_CUT)
        return self._writer.write(line)

    def close(self) -> None:
        """See `Sink`."""
        self._writer.close()
