# SPDX-License-Identifier: Apache-2.0
"""A workload's token bucket ran empty: what it does next is counted, not told."""

from __future__ import annotations

from sensor.events.spec import EventSpec, Field, Scalar

FLOOD = EventSpec(
    name="flood",
    number=5,
    doc="one per workload and second at most; told by the frame that found the bucket empty",
    fields=(
        Field(name="dropped", scalar=Scalar.U64, doc="frames of this workload dropped so far"),
        Field(name="flooded_kind", scalar=Scalar.U32, doc="number of the kind that found the bucket empty"),
        Field(name="flooded_lane", scalar=Scalar.U32, doc="`Lane` whose bucket was empty"),
    ),
    tails=(),
)
