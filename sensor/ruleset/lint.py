# SPDX-License-Identifier: Apache-2.0
"""
Advice on rules that are valid: what they will cost, and what they probably do not mean.

A clause that no early dimension narrows makes the kernel do its dearest work
for every act of its kind on the node; for opens, which a busy node does by the
hundred thousand a second, that is worth a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.core.problems import Problem
from sensor.events.dimensions import Dimension, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.events.dimensions import Clause
    from sensor.ruleset.model import Rule

NARROWING = frozenset({Dimension.LEAF, Dimension.COMM, Dimension.PCOMM, Dimension.EXE, Dimension.DIRECTORY, Dimension.CREATION, Dimension.DOTDOT})
"""Dimensions whose positive constraints leave few opens to be walked; a write (ACCESS) is rare enough too."""

WALK_NS = "640 to 960"
"""Program time of an open whose path is walked, against about 190 for one dropped early (measured; ARCHITECTURE, law 12)."""


def narrowed(clause: Clause) -> bool:
    """Tell whether an early stage of the kernel drops most opens for *clause*."""
    for constraint in clause.constraints:
        if constraint.negated:
            continue
        if constraint.dimension in NARROWING:
            return True
        if constraint.dimension is Dimension.ACCESS and 0 not in constraint.values:
            return True
        if constraint.dimension is Dimension.OUTCOME and constraint.values == (Outcome.FAILED,):
            return True  # there is no file, so there is nothing to walk
    return False


def lint(rule: Rule, clauses: Mapping[str, tuple[Clause, ...]]) -> list[Problem]:
    """Return the advice on *rule*."""
    out = []
    wide = [clause for clause in clauses.get("open", ()) if rule.name in clause.rules and not narrowed(clause)]
    if wide:
        message = (
            f"{rule.name}: every open on the node has its path walked for this rule ({WALK_NS} ns of kernel time each); "
            "name files (fd.name, fd.filename), directories (fd.directory) or processes, or ask for writes"
        )
        out.append(Problem(rule.path, rule.line, 1, message))
    if rule.kinds and set(rule.kinds) == {"exec", "open", "connect"}:
        out.append(Problem(rule.path, rule.line, 1, f"{rule.name}: the condition names no event (evt.type) and is asked for all of them"))
    return out
