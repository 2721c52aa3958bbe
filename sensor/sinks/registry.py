# SPDX-License-Identifier: Apache-2.0
"""The sinks of this build, by the name that ``--output`` takes. A new one is a file here and a line below."""

from __future__ import annotations

from sensor.sinks.jsonlines import JsonLinesSink
from sensor.sinks.text import TextSink

SINKS: tuple[type[TextSink | JsonLinesSink], ...] = (TextSink, JsonLinesSink)
"""In the order in which help shows them."""
