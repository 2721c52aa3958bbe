# SPDX-License-Identifier: Apache-2.0
"""The seams of the agent: what a part asks of another, so that either can be replaced in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Sink(Protocol):
    """
    Where findings go.

    A sink never raises into the loop that calls it: what it cannot deliver it
    counts (`sensor.core.counters`) and answers False.
    """

    @property
    def name(self) -> str:
        """What people call it, in settings and in counters."""

    def write(self, finding: Mapping[str, object]) -> bool:
        """Deliver *finding* (`contract.finding.Finding`, not changed) and tell whether it is out."""

    def close(self) -> None:
        """Let go of what the sink holds. May be called twice."""
