# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.core.counters import Counters
from sensor.sinks.jsonlines import JsonLinesSink
from sensor.sinks.text import TextSink

if TYPE_CHECKING:
    from sensor.core.ports import Sink


def test_the_sinks_are_sinks():
    """Both can stand where the port is asked for."""
    with Path(os.devnull).open("wb", buffering=0) as null:
        sinks: tuple[Sink, ...] = (TextSink(null.fileno(), Counters(), colour=False), JsonLinesSink(null.fileno(), Counters()))
        assert [sink.name for sink in sinks] == ["text", "json"]
        assert not any(sink.close() for sink in sinks)
