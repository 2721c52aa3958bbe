# SPDX-License-Identifier: Apache-2.0
"""A process that the agent knows ended: bookkeeping, so that tables forget it."""

from __future__ import annotations

from sensor.events.spec import EventSpec, Field, Scalar

EXIT = EventSpec(
    name="exit",
    number=2,
    doc="the last thread of a process ended",
    fields=(Field(name="exit_code", scalar=Scalar.U32, doc="as wait(2) has it: status << 8 | signal"),),
    tails=(),
)
