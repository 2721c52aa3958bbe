# SPDX-License-Identifier: Apache-2.0
"""
Why a rule would, or would not, fire on an event: each part of its condition, with the values that decided.

Parts are the conjuncts of the condition as it was written, macros expanded, and
are judged by the interpreter (`sensor.rulelang.interpret`), whose word is the
meaning. Values are an attacker's: shown escaped and cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.rulelang.check import Leaf
from sensor.rulelang.dimensions_of import survivors
from sensor.rulelang.interpret import holds, value_of
from sensor.rulelang.show import condition_text
from sensor.rulelang.template import printed
from sensor.rulelang.values import Unknown
from sensor.ruleset.cases import conjuncts

if TYPE_CHECKING:
    from sensor.rulelang.links import Closures
    from sensor.ruleset.model import Rule, RuleSet

SHOWN_CHARACTERS = 120
SHOWN_TESTS = 6
"""Tests of a part whose values are shown."""


def why(ruleset: RuleSet, rule: Rule, event: Any, closures: Closures) -> list[str]:  # noqa: ANN401  # the event classes are generated
    """Return lines: the verdict, the kernel's bits, and each part with its values."""
    kept = survivors(ruleset.clauses[event.kind_name], event)
    bits = [at for at, clause in enumerate(ruleset.clauses[event.kind_name]) if rule.name in clause.rules]
    lines = [
        "matches" if rule.match(event) else "is silent",
        f"  kernel: {', '.join(f'bit {at} ' + ('kept' if kept >> at & 1 else 'dropped') for at in bits) or 'no bit for this kind of event'}",
    ]
    for part in conjuncts(rule.checked):
        lines.append(f"  {'holds ' if holds(part, event, closures) else 'FAILS '} {_cut(condition_text(part))}")
        lines += [f"           {text}" for text in _values(part, event)]
    return lines


def _values(part: Any, event: Any) -> list[str]:  # noqa: ANN401  # a checked tree, an event
    shown: dict[str, str] = {}
    for leaf in _leaves(part):
        if leaf.field.get is not None and len(shown) < SHOWN_TESTS:
            value = value_of(leaf, event)
            sure = " (unknown: a test and its negation hold)" if isinstance(value, Unknown) else ""
            shown[leaf.field.label] = f"{leaf.field.label} is {_cut(printed(value))}{sure}"
    return list(shown.values())


def _leaves(tree: Any) -> list[Leaf]:  # noqa: ANN401  # a checked tree
    if isinstance(tree, Leaf):
        return [tree]
    return [leaf for part in getattr(tree, "parts", None) or [part for part in (getattr(tree, "part", None),) if part is not None] for leaf in _leaves(part)]


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
