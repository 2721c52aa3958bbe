# SPDX-License-Identifier: Apache-2.0
"""
The flood itself, as a finding.

When a workload's token bucket runs empty the kernel says so once a second and
counts the rest. That news has no condition that a document could carry, so the
rule is here; policies choose it by its id like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sensor.core.escape import lossless
from sensor.events.registry import KINDS

_KIND_NAMES = {spec.number: spec.name for spec in KINDS}


@dataclass(frozen=True, slots=True)
class FloodRule:
    """A workload did more than its token bucket allows: what it does next may not be told."""

    id: str = "SC-0000"
    name: str = "Workload floods the sensor"
    version: int = 1
    maturity: str = "stable"
    attack: tuple[str, ...] = ("T1562.001",)
    tags: tuple[str, ...] = ("container", "host", "mitre_defense_evasion")
    priority: str = "WARNING"
    asks: bool = False
    quotes: bool = False

    def render(self, event: Any) -> str:  # noqa: ANN401  # the event classes are generated
        """The message: who, and how much was dropped so far."""
        kind = _KIND_NAMES.get(event.flooded_kind, "?")
        lane = "reserved" if event.flooded_lane else "common"
        return (
            f"more {kind} events than the workload's bucket holds (process={lossless(event.comm)} lane={lane} "
            f"dropped so far={event.dropped}); exact findings of high priority have a bucket of their own"
        )


FLOOD_RULE = FloodRule()
