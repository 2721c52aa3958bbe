# SPDX-License-Identifier: Apache-2.0
"""
Conjunctions of constraints, and how they are joined and widened.

A `Term` is a clause in the making. ``both`` is *and*: it may keep more than
the intersection, never less. ``either`` is *or* in one term: the smallest that
contains both, as far as one constraint per dimension can say it. Where a value
may be unknown, or be two values at once (the address family), two constraints
that contradict each other can still both hold, so neither is dropped for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from sensor.events.dimensions import Dimension, PathPattern

Set = tuple[bool, frozenset[Any]]
Sets = dict[Dimension, Set]

ALWAYS_KNOWN = frozenset({Dimension.OUTCOME, Dimension.TTY, Dimension.UID, Dimension.COMM, Dimension.PCOMM})
"""Dimensions that have exactly one value in every event: an empty set here means that the term never holds."""

OF_A_PATH = frozenset({Dimension.LEAF, Dimension.DIRECTORY, Dimension.ABOVE, Dimension.PATH})

MAX_PAIRS = 4096
"""Most comparisons of two pattern sets; beyond it one of the two is kept as it is."""

MAX_COMPARED = 256
"""Most terms of which each is held against each; of more, the many that will be widened into few, what contains what is not asked."""


@dataclass(frozen=True, slots=True)
class Term:
    """Constraints that all hold; *exact* when they are the whole of what they stand for."""

    sets: Sets
    exact: bool

    def signature(self) -> tuple[tuple[Dimension, bool], ...]:
        """Return which dimensions are constrained, and how: terms alike in this can be widened into one."""
        return tuple(sorted(((dimension, negated) for dimension, (negated, _) in self.sets.items()), key=lambda pair: (pair[0].value, pair[1])))


def both(left: Term, right: Term) -> Term | None:
    """Return the conjunction, or None when it cannot hold."""
    sets = dict(left.sets)
    exact = left.exact and right.exact
    for dimension, new in right.sets.items():
        if dimension not in sets:
            sets[dimension] = new
            continue
        sets[dimension], kept_all = _intersection(dimension, sets[dimension], new)
        exact = exact and kept_all
    if any(not negated and not values and dimension in ALWAYS_KNOWN for dimension, (negated, values) in sets.items()):
        return None
    return Term(sets, exact)


def _intersection(dimension: Dimension, left: Set, right: Set) -> tuple[Set, bool]:
    """Return a set that contains the intersection, and whether it is just that."""
    if left[0] and right[0]:
        return (True, left[1] | right[1]), True
    if left[0]:
        left, right = right, left
    if right[0]:  # left without right; patterns and networks are compared as they are written
        less = left[1] - right[1]
        disjoint = dimension not in (Dimension.PATH, Dimension.ADDRESS, Dimension.FAMILY)
        return (False, less or (left[1] if dimension not in ALWAYS_KNOWN else less)), disjoint and (bool(less) or dimension in ALWAYS_KNOWN)
    if dimension is Dimension.FAMILY:
        if left[1] <= right[1] or right[1] <= left[1]:
            return (False, min(left[1], right[1], key=len)), True
        return left, False
    common = _common(dimension, left[1], right[1])
    if common or dimension in ALWAYS_KNOWN:
        return (False, common), True
    return left, False


def _common(dimension: Dimension, left: frozenset[Any], right: frozenset[Any]) -> frozenset[Any]:
    if dimension not in (Dimension.PATH, Dimension.ADDRESS):
        return left & right
    if len(left) * len(right) > MAX_PAIRS:
        return min(left, right, key=len)
    inside = _path_inside if dimension is Dimension.PATH else _network_inside
    return frozenset(one for one in left if any(inside(one, other) for other in right)) | frozenset(
        one for one in right if any(inside(one, other) for other in left)
    )


def _path_inside(one: PathPattern, other: PathPattern) -> bool:
    return one == other or (not other.exact and one.path.startswith(other.path))


def _network_inside(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    if isinstance(one, IPv4Network):
        return one.subnet_of(other) if isinstance(other, IPv4Network) else other.prefixlen <= 80  # noqa: PLR2004  # it may span ::ffff:0:0/96
    return isinstance(other, IPv6Network) and one.subnet_of(other)


def either(left: Term, right: Term) -> Term:
    """Return one term that holds whenever *left* or *right* does."""
    sets: Sets = {}
    different = set(left.sets) ^ set(right.sets)
    for dimension in left.sets.keys() & right.sets.keys():
        (left_out, left_values), (right_out, right_values) = left.sets[dimension], right.sets[dimension]
        if (left_out, left_values) != (right_out, right_values):
            different.add(dimension)
        if left_out != right_out:
            continue
        values = left_values & right_values if left_out else left_values | right_values
        if values or not left_out:
            sets[dimension] = (left_out, values)
    alike = sets.keys() == left.sets.keys() == right.sets.keys()
    by_path = different <= OF_A_PATH and Dimension.PATH in sets and not sets[Dimension.PATH][0]
    return Term(sets, left.exact and right.exact and alike and (len(different) <= 1 or by_path))


def contains(wide: Term, narrow: Term) -> bool:
    """Tell whether *wide* holds whenever *narrow* does, as far as comparing their sets can tell."""
    for dimension, (negated, values) in wide.sets.items():
        there = narrow.sets.get(dimension)
        if there is None or there[0] != negated:
            return False
        if not (there[1] >= values if negated else there[1] <= values):
            return False
    return True


def merge_alike(terms: list[Term]) -> list[Term]:
    """Return *terms* with those joined that differ in one dimension (or in the path's three), which loses nothing."""
    groups = [OF_A_PATH, *({dimension} for dimension in Dimension if dimension not in OF_A_PATH)]
    for group in groups:
        buckets: dict[Any, list[Term]] = {}
        for term in terms:
            rest = frozenset((dimension, one) for dimension, one in term.sets.items() if dimension not in group)
            inside = tuple(sorted((dimension.value, term.sets[dimension][0]) for dimension in group if dimension in term.sets))
            key = (rest, inside)
            buckets.setdefault(key, []).append(term)
        terms = [_union(alike) for alike in buckets.values()]
    if 1 < len(terms) <= MAX_COMPARED:
        terms = [term for at, term in enumerate(terms) if not any(_covered(term, at, other, by) for by, other in enumerate(terms))]
    return terms


def _union(terms: list[Term]) -> Term:
    """Join *terms* two by two: one after the other, each step would copy all that came before."""
    while len(terms) > 1:
        terms = [either(terms[at], terms[at + 1]) if at + 1 < len(terms) else terms[at] for at in range(0, len(terms), 2)]
    return terms[0]


def _covered(term: Term, at: int, other: Term, by: int) -> bool:
    return by != at and contains(other, term) and (by < at or not contains(term, other))


def squeeze(terms: list[Term], most: int) -> list[Term]:
    """Return at most *most* terms that together hold whenever one of *terms* does; like ones are widened first."""
    terms = merge_alike(terms)
    while len(terms) > most:
        terms.sort(key=lambda term: [(dimension.value, negated) for dimension, negated in term.signature()])
        pairs = [at for at in range(0, len(terms) - 1, 2) if terms[at].signature() == terms[at + 1].signature()]
        if not pairs:
            pairs = [min(range(len(terms) - 1), key=lambda at: _loss(terms[at], terms[at + 1]))]
        for at in reversed(pairs[: len(terms) - most]):
            terms[at : at + 2] = [either(terms[at], terms[at + 1])]
    return terms


def _loss(left: Term, right: Term) -> int:
    return len(set(left.signature()) ^ set(right.signature()))
