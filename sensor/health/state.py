# SPDX-License-Identifier: Apache-2.0
"""
What the sensor knows of its own state: alive, ready, degraded, and each rule.

*Ready* is a proof, not a hope: acts of the agent's own, one of every loaded
kind through each lane, have come back through the ordinary tables. *Degraded*
does not take readiness away (a node with three of four probes is worth having)
but is always said, with its reason. *Alive* is asked by the kubelet before it
restarts us: only what a restart may cure belongs there.

Written by the agent's threads, read by the status server's: each change
replaces one value, each reader copies first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sensor.core.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class RuleState(Enum):
    """What a rule can see on this node."""

    ACTIVE = "active"
    """Everything it asks for."""
    DEGRADED = "degraded"
    """Less than it asks for: one of its event kinds, or a field, is missing here."""
    BLIND = "blind"
    """Nothing: no event kind of it is loaded."""


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """One rule on this node; *reason* is empty for an active one."""

    state: RuleState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProbeStatus:
    """One event kind's probe; *reason* says why it is not attached."""

    attached: bool
    reason: str = ""


class Health:
    """The state of one agent."""

    def __init__(self) -> None:
        self._probes: dict[str, ProbeStatus] = {}
        self._expected: dict[tuple[str, str], bool] = {}
        self._expects = False
        self._degraded: dict[str, str] = {}
        self._failures: dict[str, str] = {}
        self._alive: dict[str, Callable[[], bool]] = {}
        self._rules: dict[str, RuleStatus] = {}

    def probe(self, name: str, status: ProbeStatus) -> None:
        """Say how the probe of an event kind is."""
        self._probes[name] = status

    def expect(self, canaries: Iterable[tuple[str, str]]) -> None:
        """Ready means: each of these (kind, lane) has come back. Asked again, all are waited for again."""
        self._expected = dict.fromkeys(canaries, False)
        self._expects = True

    def seen(self, kind: str, lane: str) -> None:
        """An act of the agent's own came back. One that is not waited for is no mistake."""
        if (kind, lane) in self._expected:
            self._expected[kind, lane] = True

    def degrade(self, what: str, reason: str) -> None:
        """*what* works less well than it should, for *reason*; the latest reason stands."""
        self._degraded[what] = reason

    def recover(self, what: str) -> None:
        """*what* works again."""
        self._degraded.pop(what, None)

    def fail(self, what: str, reason: str) -> None:
        """*what* has stopped for good: a restart is the cure."""
        self._failures[what] = reason

    def watch(self, what: str, alive: Callable[[], bool]) -> None:
        """Ask *alive* (a thread's ``is_alive``) whenever somebody asks whether the sensor lives."""
        self._alive[what] = alive

    def set_rules(self, rules: Mapping[str, RuleStatus]) -> None:
        """Replace the rules' statuses, after a load."""
        self._rules = dict(rules)

    def rules(self) -> dict[str, RuleStatus]:
        """Rule → status."""
        return self._rules.copy()

    def probes(self) -> dict[str, ProbeStatus]:
        """Event kind → its probe."""
        return self._probes.copy()

    def degraded(self) -> dict[str, str]:
        """What is degraded → why; probes that are not attached are in it."""
        missing = {f"probe {name}": status.reason or "not attached" for name, status in self._probes.copy().items() if not status.attached}
        return missing | self._degraded.copy()

    def waiting_for(self) -> tuple[str, ...]:
        """What stands between now and ready; empty when ready."""
        if self._failures:
            return tuple(f"{what} has failed: {reason}" for what, reason in sorted(self._failures.copy().items()))
        if not self._expects:
            return ("the probes are being loaded",)
        if not self._expected:
            return ("no probe is attached",)
        return tuple(f"no {kind} of our own has come back through the {lane} lane" for (kind, lane), seen in self._expected.copy().items() if not seen)

    def ready(self) -> bool:
        """Whether acts on this node become findings."""
        return not self.waiting_for()

    def not_alive(self) -> dict[str, str]:
        """What has stopped → why; empty while the sensor lives."""
        stopped = {what: "is not running" for what, alive in self._alive.copy().items() if not alive()}
        return stopped | self._failures.copy()


def render_rules(rules: Mapping[str, RuleStatus]) -> str:
    """The rules' statuses for people: the worst first, each with its reason. Ends with a newline."""
    if not rules:
        return "no rules are loaded\n"
    worst = (RuleState.BLIND, RuleState.DEGRADED, RuleState.ACTIVE)
    counts = ", ".join(f"{count} {state.value}" for state in reversed(worst) if (count := sum(status.state is state for status in rules.values())))
    width = max(len(visible(name)) for name in rules) + 2
    lines = [
        f"{visible(name).ljust(width)}{status.state.value.ljust(10)}{visible(status.reason)}".rstrip()
        for name, status in sorted(rules.items(), key=lambda item: (worst.index(item[1].state), item[0]))
    ]
    return "\n".join([f"{len(rules)} rules: {counts}", *lines, ""])
