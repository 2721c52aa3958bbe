# SPDX-License-Identifier: Apache-2.0
"""
The form that code and clauses are made from: negations at the tests, nothing left that is decided already.

`normalize` pushes ``not`` down to the tests and follows links in their
constants (which depends on the polarity). `for_kind` takes what an event kind
decides out of the tree: ``evt.type``, fields the kind does not have, fields
with one value. Neither changes what a condition means for any event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensor.rulelang.ast import And, Constant, Not, Or
from sensor.rulelang.check import Leaf
from sensor.rulelang.links import expand
from sensor.rulelang.syscalls import BY_KIND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.rulelang.links import Closures


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A test or its negation, with the constants it is decided by."""

    leaf: Leaf
    negated: bool
    values: tuple[Any, ...]


Normal = And | Or | Literal | Constant
"""A tree without `Not`."""

TRUE, FALSE = Constant(True), Constant(False)


def normalize(tree: Any, closures: Closures) -> Normal:
    """Return the negation normal form of a checked tree."""
    done: dict[tuple[int, bool], Normal] = {}

    def walk(node: Any, *, negated: bool) -> Normal:
        key = (id(node), negated)  # macros are shared: one tree, many uses
        if key not in done:
            done[key] = build(node, negated=negated)
        return done[key]

    def build(node: Any, *, negated: bool) -> Normal:
        if isinstance(node, Not):
            return walk(node.part, negated=not negated)
        if isinstance(node, Leaf):
            return Literal(node, negated, expand(node, closures, negated=negated))
        if isinstance(node, Constant):
            return Constant(node.value != negated)
        parts = [walk(part, negated=negated) for part in node.parts]
        return join(parts, conjunction=isinstance(node, And) != negated)

    return walk(tree, negated=False)


def join(parts: list[Normal], *, conjunction: bool) -> Normal:
    """Return the ``and`` (or ``or``) of *parts*, flattened, without repetitions and constants."""
    kind = And if conjunction else Or
    flat: dict[int, Normal] = {}
    for part in parts:
        for one in part.parts if isinstance(part, kind) else (part,):
            if isinstance(one, Constant):
                if one.value != conjunction:
                    return one
                continue
            flat[id(one)] = one
    together = tuple(flat.values())
    if not together:
        return Constant(conjunction)
    return together[0] if len(together) == 1 else kind(together)


def specialise(tree: Normal, decide: Callable[[Literal], bool | None]) -> Normal:
    """Return *tree* with the literals that *decide* knows taken out."""
    done: dict[int, Normal] = {}

    def walk(node: Normal) -> Normal:
        if id(node) not in done:
            done[id(node)] = build(node)
        return done[id(node)]

    def build(node: Normal) -> Normal:
        if isinstance(node, Literal):
            value = decide(node)
            return node if value is None else Constant(value)
        if isinstance(node, Constant):
            return node
        return join([walk(part) for part in node.parts], conjunction=isinstance(node, And))

    return walk(tree)


def for_kind(tree: Normal, kind: str) -> Normal:
    """Return what is left of *tree* for events of *kind*."""
    names = BY_KIND[kind]

    def decide(literal: Literal) -> bool | None:
        leaf = literal.leaf
        spec = leaf.field.spec
        if leaf.limitation:
            return None
        if spec.name in ("evt.type", "syscall.type") and leaf.field.label == spec.name:
            answers = {leaf.operator.test(name, literal.values) for name in names}
            return answers.pop() != literal.negated if len(answers) == 1 else None
        if kind not in spec.kinds:
            return literal.negated
        if spec.constant is not None and leaf.field.label == spec.name:
            return leaf.operator.test(spec.constant, literal.values) != literal.negated
        return None

    return specialise(tree, decide)


def mentions(tree: Normal) -> dict[str, bool]:
    """
    Return the events whose name the condition tests, and whether it can hold for each.

    This is how a rule tells which acts it is about, also those that no probe
    sees: the condition is asked with ``evt.type`` known and all else open.
    """
    names = {
        value.decode("utf-8", "replace")
        for literal in literals(tree)
        if literal.leaf.field.spec.name in ("evt.type", "syscall.type")
        for value in literal.values
        if isinstance(value, bytes)
    }
    return {name: specialise(tree, lambda literal, name=name: _decide_type(literal, name.encode())) != FALSE for name in sorted(names)}  # type: ignore[misc]


def _decide_type(literal: Literal, name: bytes) -> bool | None:
    leaf = literal.leaf
    if leaf.field.spec.constant is not None and not leaf.limitation and leaf.field.label == leaf.field.spec.name:
        return leaf.operator.test(leaf.field.spec.constant, literal.values) != literal.negated
    if leaf.field.spec.name not in ("evt.type", "syscall.type"):
        return None
    return leaf.operator.test(name, literal.values) != literal.negated


def literals(tree: Normal) -> Iterator[Literal]:
    """Yield every literal of *tree* once."""
    seen: set[int] = set()
    stack: list[Normal] = [tree]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Literal):
            yield node
        elif isinstance(node, And | Or):
            stack.extend(node.parts)
