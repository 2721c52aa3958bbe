# SPDX-License-Identifier: Apache-2.0
"""Findings for tests: the builder with a still clock and a rule that is as plain as can be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sensor.core.clock import FakeClock
from sensor.engine.decide import Policy
from sensor.engine.findings import FindingBuilder, FindingContext
from sensor.engine.redact import RedactConfig, Redactor
from tests.unit.events_factory import make_event

REDACTOR = Redactor(RedactConfig())
WALL_OFFSET_NS = 1_700_000_000 * 10**9
"""The node booted at 2023-11-14T22:13:20Z."""


def make_clock(monotonic_ns: int = 1_000_000_000) -> FakeClock:
    """Return a clock one second after boot."""
    return FakeClock(monotonic_ns, wall_offset_ns=WALL_OFFSET_NS)


def make_rule(**overrides: Any) -> SimpleNamespace:
    """Return a rule as findings see it; *render* quotes the command line."""
    return SimpleNamespace(
        **{
            "id": "SC-0001",
            "name": "Sensitive file read",
            "version": 2,
            "maturity": "sandbox",
            "attack": ("T1003.008",),
            "tags": ("host",),
            "priority": "WARNING",
            "asks": False,
            "quotes": False,
            "render": lambda event: f"command={event.cmdline.replace(bytes(1), b' ').decode('utf-8', 'replace')}",
            **overrides,
        }
    )


def make_builder(**overrides: Any) -> FindingBuilder:
    """Return a builder for a node called n1."""
    return FindingBuilder(FindingContext(**{"boot_id": "boot-1", "clock": make_clock(), "redactor": REDACTOR, "node": "n1", **overrides}))


def make_finding(kind: str = "open", *, rule: Any = None, late: bool = False, **overrides: Any) -> Any:
    """Return the finding of an event of *kind* made by `make_event`."""
    event = make_event(kind, **overrides)
    rule = rule or make_rule()
    verdict = Policy.builtin().decide(event, rule)
    assert verdict is not None
    return make_builder().build(event, rule, verdict, late=late)
