# SPDX-License-Identifier: Apache-2.0
"""
Clauses that fit the kernel's tables.

A kind's tables have room for so many names, path patterns and addresses. Of
rules that name more (a list of ten thousand bad addresses, say) the constraints
with the most values are given up, one after the other, until the rest fits.
That widens: user space tests what the kernel then does not, and it is said
which rules it is about.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sensor.events.dimensions import ROOMS, Dimension

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sensor.events.dimensions import Clause

SHOWN_RULES = 3
"""Rules that a warning names."""


def fitting(kind: str, clauses: Sequence[Clause]) -> tuple[tuple[Clause, ...], list[str]]:
    """Return *clauses* with as many constraints as there is room for, and a warning for each table that was too small."""
    fitted, warnings = list(clauses), []
    for what, (dimensions, room) in ROOMS.items():
        needed = len(_values(fitted, dimensions))
        if needed <= room:
            continue
        widened: dict[str, None] = {}
        while len(_values(fitted, dimensions)) > room:
            at, dimension = max(
                ((at, one.dimension) for at, clause in enumerate(fitted) for one in clause.constraints if one.dimension in dimensions),
                key=lambda place: len(_constraint(fitted[place[0]], place[1]).values),
            )
            clause = fitted[at]
            fitted[at] = replace(clause, constraints=tuple(one for one in clause.constraints if one.dimension is not dimension), exact=False)
            widened |= dict.fromkeys(clause.rules)
        names = [*list(widened)[:SHOWN_RULES], *([f"{len(widened) - SHOWN_RULES} more"] if len(widened) > SHOWN_RULES else [])]
        warnings.append(f"{needed} {what} for {kind} events, the kernel's table has room for {room}: more events than needed leave it for {', '.join(names)}")
    return tuple(fitted), warnings


def _values(clauses: Iterable[Clause], dimensions: frozenset[Dimension]) -> set[tuple[Dimension, Any]]:
    return {(one.dimension, value) for clause in clauses for one in clause.constraints if one.dimension in dimensions for value in one.values}


def _constraint(clause: Clause, dimension: Dimension) -> Any:
    return next(one for one in clause.constraints if one.dimension is dimension)
