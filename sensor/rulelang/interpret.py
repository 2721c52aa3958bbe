# SPDX-License-Identifier: Apache-2.0
"""
What a condition means: a walk over the checked tree, slow and obvious.

Nothing but tests and ``explain`` runs it. The generated code
(`sensor.rulelang.codegen`) must agree with it on every event, and the kernel's
clauses (`sensor.rulelang.clauses`) must never lose what it accepts.

A test is asked in one of two polarities, because a value may be *unknown*:
then the test holds unless what is known contradicts, and its negation holds
too. A *missing* value fails every test and passes every negation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.rulelang.ast import And, Constant, Not
from sensor.rulelang.check import Leaf
from sensor.rulelang.links import expand, no_closures
from sensor.rulelang.operators import QUANTITIES
from sensor.rulelang.values import Unknown

if TYPE_CHECKING:
    from sensor.rulelang.links import Closures


def holds(node: Any, event: Any, closures: Closures = no_closures, *, negated: bool = False) -> bool:
    """Tell whether *event* satisfies the checked tree *node* (or, *negated*, its negation)."""
    if isinstance(node, Not):
        return holds(node.part, event, closures, negated=not negated)
    if isinstance(node, Constant):
        return node.value != negated
    if isinstance(node, Leaf):
        return leaf_holds(node, event, closures, negated=negated)
    answers = [holds(part, event, closures, negated=negated) for part in node.parts]
    return all(answers) if isinstance(node, And) != negated else any(answers)


def leaf_holds(leaf: Leaf, event: Any, closures: Closures, *, negated: bool) -> bool:
    """Tell whether one test (or its negation) holds."""
    value = value_of(leaf, event)
    if value is None:
        return negated
    values = expand(leaf, closures, negated=negated)
    if isinstance(value, Unknown):
        return may_hold(leaf, value, values, negated=negated)
    return passes(leaf, value, values) != negated


def may_hold(leaf: Leaf, value: Unknown, values: tuple[Any, ...], *, negated: bool) -> bool:
    """Tell whether one test (or its negation) may hold for a value that is not known whole."""
    if value.among:
        return any(passes(leaf, one, values) != negated for one in value.among)
    return negated or leaf.operator.may(value, values)


def passes(leaf: Leaf, value: Any, values: tuple[Any, ...]) -> bool:
    """Tell whether a known value passes the test; of many values as many as the operator asks for."""
    operator = leaf.operator
    if not leaf.field.many:
        return operator.test(value, values)
    answers = [operator.test(one, values) for one in value]
    return QUANTITIES[operator.quantity](answers)


def value_of(leaf: Leaf, event: Any) -> Any:
    """Return the value that *leaf* tests; missing when the event's kind does not have the field."""
    if leaf.field.get is None or event.kind_name not in leaf.field.spec.kinds:
        return None
    return leaf.field.get(event)
