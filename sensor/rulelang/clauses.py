# SPDX-License-Identifier: Apache-2.0
"""
From rules to the clauses that the kernel tests.

`terms_of` turns a condition (in normal form, for one event kind) into a few
conjunctions of constraints, `assign` gives the clauses of all rules their
bits. What the kernel cannot test is left out, which only widens: **a rule that
matches must have had its bit**. Property tests compare the clauses, by the
model in `sensor.rulelang.dimensions_of`, with the interpreter.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensor.events.dimensions import CLAUSE_BITS, Clause, Constraint, Dimension
from sensor.rulelang.ast import And, Constant
from sensor.rulelang.derive import derive
from sensor.rulelang.optimize import Literal
from sensor.rulelang.terms import Term, both, either, squeeze

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sensor.rulelang.optimize import Normal

MAX_TERMS = 16
"""Clauses of one rule and kind; a condition that has more is widened. Most public rules need one or two."""

MAX_PRODUCT = 64
"""Conjunctions while multiplying out; more are widened first, so that no condition takes exponential time."""

_ORDER = {dimension: place for place, dimension in enumerate(Dimension)}


@dataclass(frozen=True, slots=True)
class RuleTerms:
    """What one rule wants of the kernel for one kind."""

    rule: str
    high: bool
    terms: tuple[Term, ...]


def terms_of(tree: Normal, kind: str) -> tuple[Term, ...]:
    """Return at most `MAX_TERMS` conjunctions, of which one holds for every event of *kind* that satisfies *tree*; none when it cannot."""
    done: dict[int, list[Term]] = {}

    def walk(node: Normal) -> list[Term]:
        if id(node) not in done:
            done[id(node)] = build(node)
        return done[id(node)]

    def build(node: Normal) -> list[Term]:
        if isinstance(node, Constant):
            return [Term({}, exact=True)] if node.value else []
        if isinstance(node, Literal):
            derived = derive(node, kind)
            term = both(Term({}, exact=True), Term({d: one for d, one in derived.sets.items() if one[1] or not one[0]}, derived.exact))
            return [term] if term else []
        if isinstance(node, And):
            terms = [Term({}, exact=True)]
            for part in sorted((walk(part) for part in node.parts), key=len):
                terms = _product(terms, part)
            return terms
        return squeeze([term for part in node.parts for term in walk(part)], MAX_TERMS)

    return tuple(squeeze(list(walk(tree)), MAX_TERMS))


def _product(left: list[Term], right: list[Term]) -> list[Term]:
    if len(left) * len(right) > MAX_PRODUCT:
        left, right = squeeze(left, 8), squeeze(right, 8)
    terms = [term for one in left for other in right if (term := both(one, other)) is not None]
    return squeeze(terms, MAX_TERMS)


def assign(kind: str, wanted: Sequence[RuleTerms], bits: int = CLAUSE_BITS) -> tuple[tuple[Clause, ...], str]:
    """
    Return the clauses of *kind*, whose places are their bits, and a warning when there were more than *bits*.

    Rules that want the same get the same bit. When there are too many, clauses
    that constrain the same dimensions share one: the union, for all their rules.
    """
    shared: dict[Any, tuple[Term, bool, list[str]]] = {}
    for one in wanted:
        for term in one.terms:
            key = (frozenset(term.sets.items()), term.exact, one.high)
            shared.setdefault(key, (term, one.high, []))[2].append(one.rule)
    entries = list(shared.values())
    warning = ""
    if len(entries) > bits:
        before = len(entries)
        entries = _share(entries, bits)
        warning = f"{before} clauses for {kind} events share {len(entries)} bits; more events than needed leave the kernel"
    return tuple(_clause(kind, *entry) for entry in entries), warning


def _share(entries: list[tuple[Term, bool, list[str]]], bits: int) -> list[tuple[Term, bool, list[str]]]:
    """Widen clauses into their likes until *bits* are enough: the most numerous likes first."""
    groups: dict[Any, list[tuple[Term, bool, list[str]]]] = defaultdict(list)
    for entry in entries:
        groups[(entry[0].signature(), entry[1])].append(entry)
    piles = sorted(groups.values(), key=len, reverse=True)
    excess = len(entries) - bits
    while excess > 0:
        piles.sort(key=len, reverse=True)
        if len(piles[0]) == 1:  # nothing alike is left
            last, other = piles.pop(), piles.pop()
            piles.append([_joined(last[0], other[0])])
            excess -= 1
            continue
        pile = piles[0]
        pairs = min(len(pile) // 2, excess)
        piles[0] = [_joined(pile[2 * at], pile[2 * at + 1]) for at in range(pairs)] + pile[2 * pairs :]
        excess -= pairs
    return [entry for pile in piles for entry in pile]


def _joined(left: tuple[Term, bool, list[str]], right: tuple[Term, bool, list[str]]) -> tuple[Term, bool, list[str]]:
    term = either(left[0], right[0])
    return Term(term.sets, exact=False), left[1] or right[1], left[2] + right[2]


def _clause(kind: str, term: Term, high: bool, rules: Iterable[str]) -> Clause:
    ordered = sorted(term.sets.items(), key=lambda item: _ORDER[item[0]])
    constraints = tuple(
        Constraint(dimension, tuple(sorted(values, key=_sort_key)), negated) for dimension, (negated, values) in ordered if values or not negated
    )
    return Clause(kind=kind, constraints=constraints, rules=tuple(dict.fromkeys(rules)), exact=term.exact, high=high)


def _sort_key(value: Any) -> tuple[str, Any]:
    if isinstance(value, int):
        return ("", int(value))
    return (type(value).__name__, value if isinstance(value, bytes) else getattr(value, "path", None) or str(value))
