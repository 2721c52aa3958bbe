# SPDX-License-Identifier: Apache-2.0
"""
One function for all rules of a kind, for events that could match any of them.

The rules' own functions (`sensor.rulelang.codegen`) share nothing, so an event
that keeps every bit would be asked for its flags and its name once per rule.
Here a field that stands at the same level is read once, and rules that begin
with the same tests share them: a tree of ``if``, each rule a path through it.
The meaning is that of the rules' own functions; a unit test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.rulelang.ast import And, Constant
from sensor.rulelang.codegen import Writer, load
from sensor.rulelang.optimize import Literal, Normal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

MAX_DEPTH = 16
"""Levels of the tree; what a rule has beyond them is tested at once (Python's parser takes 100 indentations)."""


def compile_together(trees: Sequence[Normal], name: str) -> Callable[[Any], list[int]]:
    """Return the function that gives the places of those of *trees* (all for one kind) that hold for an event, in their order; *name* is for tracebacks."""
    writer = Writer()
    chains = [(at, list(tree.parts) if isinstance(tree, And) else [tree]) for at, tree in enumerate(trees)]
    lines = ["def match(event):", "    found = []", *_level(writer, chains, 1), "    found.sort()", "    return found"]
    function: Callable[[Any], list[int]] = load("\n".join(lines) + "\n", f"rules {name}", writer.constants)
    return function


def _level(writer: Writer, chains: list[tuple[int, list[Normal]]], depth: int) -> list[str]:
    """Return the lines for rules of which these parts are left to be tested."""
    indent = "    " * depth
    done = [at for at, parts in chains if not parts]
    lines = [f"{indent}found.append({at})" for at in done]
    groups: dict[Hashable, list[tuple[int, list[Normal]]]] = {}
    for at, parts in chains:
        if parts:
            first = parts[0] if depth < MAX_DEPTH or len(parts) == 1 else And(tuple(parts))
            groups.setdefault(_key(first), []).append((at, [first, *parts[1:]] if first is parts[0] else [first]))
    for group in groups.values():
        test = group[0][1][0]
        lines += [f"{indent}{line}" for line in writer.reads(test)]
        lines.append(f"{indent}if {writer.expression(test)}:")
        inner = writer.scope()
        lines += _level(writer, [(at, parts[1:]) for at, parts in group], depth + 1)
        writer.leave(inner)
    return lines


def _key(node: Normal) -> Hashable:
    """Return what two equal tests have in common; other trees are alike only when they are the same."""
    if isinstance(node, Literal):
        return (node.leaf.field.label, node.leaf.operator.symbol, node.values, node.negated)
    return node.value if isinstance(node, Constant) else id(node)
