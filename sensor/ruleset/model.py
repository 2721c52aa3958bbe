# SPDX-License-Identifier: Apache-2.0
"""
A rule set that has no mistakes, as the agent, the commands and the findings use it.

Everything is decided while loading: a rule carries its functions per event
kind and its compiled message, and says of itself whether it can fire here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.core.problems import Problem
    from sensor.events.dimensions import Clause
    from sensor.rulelang.codegen import Compiled
    from sensor.rulelang.optimize import Normal
    from sensor.rulelang.template import Template
    from sensor.rulelang.values import Event

PRIORITIES = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFORMATIONAL", "DEBUG")
"""Falco's, the gravest first."""

HIGH = frozenset(PRIORITIES[:5])
"""Priorities whose exact clauses may use the reserved lane."""

MATURITIES = ("sandbox", "incubating", "stable", "deprecated")


class RuleStatus(Enum):
    """Whether a rule can fire with the probes and fields of this build."""

    ACTIVE = "active"
    DEGRADED = "degraded"
    """It fires for some of the acts it names."""
    BLIND = "blind"
    """It never fires."""


@dataclass(slots=True, kw_only=True, eq=False)
class Rule:
    """One rule."""

    id: str
    """Permanent id; the name when its author gave none."""
    name: str
    version: int = 1
    maturity: str = ""
    priority: str
    attack: tuple[str, ...] = ()
    """ATT&CK technique ids."""
    tags: tuple[str, ...] = ()
    desc: str = ""
    output: str
    """The message's template as written."""
    condition: str
    """The condition as written, appended parts included."""
    false_positives: tuple[str, ...] = ()
    blind_to: tuple[str, ...] = ()
    path: str
    line: int
    status: RuleStatus
    reason: str = ""
    """Why it is not active."""
    kinds: tuple[str, ...] = ()
    """Event kinds it is asked about."""
    functions: Mapping[str, Compiled] = field(default_factory=dict)
    """By event kind."""
    trees: Mapping[str, Normal] = field(default_factory=dict)
    """What the functions were made of, for `explain`."""
    checked: Any = None
    """The checked tree, exceptions included, for the interpreter."""
    template: Template

    def match(self, event: Event) -> bool:
        """Tell whether the condition holds for *event*, seen under its own path."""
        compiled = self.functions.get(event.kind_name)
        return compiled is not None and compiled.match(event)

    @property
    def asks(self) -> bool:
        """Whether the message needs what has to be asked for while the act is fresh."""
        return self.template.asks

    @property
    def quotes(self) -> bool:
        """Whether the message shows arguments of other processes than the one that acted."""
        return self.template.quotes

    def render(self, event: Event) -> str:
        """Return the message for *event*; values are in the form findings carry."""
        return self.template.render(event)

    def format_output(self, event: Event) -> str:
        """As `render`."""
        return self.template.render(event)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Rules that were loaded together."""

    rules: tuple[Rule, ...]
    """In the order of the documents; disabled ones and those of other sources are not here."""

    clauses: Mapping[str, tuple[Clause, ...]]
    """By event kind; a clause's place is its bit."""

    warnings: tuple[Problem, ...]
    hash: str
    """SHA-256 over what the rules say, in hexadecimal: the same text in other files or another order of keys gives the same."""

    disabled: tuple[str, ...] = ()
    left_alone: tuple[str, ...] = ()
    """Rules of other sources than syscall."""

    wants_images: bool = False
    """A condition or a message is about what other processes run: execs are to be remembered."""

    def find(self, id_or_name: str) -> Rule | None:
        """Return the rule with this id or name."""
        return next((rule for rule in self.rules if id_or_name in (rule.id, rule.name)), None)
