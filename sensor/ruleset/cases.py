# SPDX-License-Identifier: Apache-2.0
"""
Cases: the acts for which a rule must fire and those for which it must not.

They stand beside the rule (``cases.yaml``) and are run without a kernel. A
rule's cases are complete when one matches and when for every part of its
condition there is a silent one that would match without that part: `unproven`
finds out by leaving the parts out one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensor.adapters.documents import Mapping, Node, Scalar, Sequence, parse
from sensor.core.errors import DocumentError
from sensor.core.problems import Problem
from sensor.events.common import FrameFlag
from sensor.rulelang.ast import And
from sensor.rulelang.check import Leaf
from sensor.rulelang.interpret import holds
from sensor.rulelang.show import condition_text
from sensor.ruleset.synthetic import UnsettableFieldError, event_of

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.rulelang.links import Closures
    from sensor.ruleset.model import Rule

Tree = Any
"""A checked condition: `And`, `Or`, `Not` over `Leaf`."""

KEYS = frozenset({"case", "expect", "event", "flags"})


@dataclass(frozen=True, slots=True)
class Case:
    """One act and what is expected of the rule."""

    name: str
    matches: bool
    event: Any
    place: Problem
    """Where it stands."""


def read_cases(path: Path) -> list[Case]:
    """
    Read a file of cases.

    Raises:
        DocumentError: with every mistake of the file.
    """
    try:
        roots = parse(path.read_bytes(), str(path))
    except OSError as error:
        raise DocumentError(f"{path}: {error.strerror}", problems=(Problem(str(path), 0, 0, f"cannot be read: {error.strerror}"),)) from error
    problems: list[Problem] = []
    found = []
    for root in roots:
        if not isinstance(root, Sequence):
            problems.append(root.problem("a file of cases is a list"))
            continue
        found += [case for node in root.items if (case := _case(node, problems)) is not None]
    if problems:
        raise DocumentError(f"{path}: {len(problems)} mistakes in the cases:\n" + "\n".join(map(str, problems)), problems=tuple(problems))
    return found


def _case(node: Node, problems: list[Problem]) -> Case | None:
    if not isinstance(node, Mapping) or not {"case", "expect", "event"} <= set(node.entries) <= KEYS:
        problems.append(node.problem("a case has the keys case, expect, event and perhaps flags"))
        return None
    name, expect, event = node.get("case"), node.get("expect"), node.get("event")
    if not isinstance(name, Scalar) or not isinstance(event, Mapping) or not isinstance(expect, Scalar) or expect.text not in ("match", "silent"):
        problems.append(node.problem("case is a text, expect is match or silent, event maps fields to values"))
        return None
    values = {}
    for field, (place, value) in event.entries.items():
        if not isinstance(value, Scalar):
            problems.append(place.problem(f"{field} is given one value"))
            return None
        values[field] = value.text
    flags = FrameFlag(0)
    listed = node.get("flags")
    for item in listed.items if isinstance(listed, Sequence) else []:
        if not isinstance(item, Scalar) or item.text not in FrameFlag.__members__:
            problems.append(item.problem("flags are names of FrameFlag"))
            return None
        flags |= FrameFlag[item.text]
    try:
        made = event_of(values, flags)
    except UnsettableFieldError as error:
        problems.append(event.problem(str(error)))
        return None
    return Case(name.text, expect.text == "match", made, name.problem(name.text))


def failing(rule: Rule, cases: list[Case]) -> list[Problem]:
    """Return a problem for each case that the rule judges otherwise, and for a missing kind of case."""
    out = []
    for case in cases:
        if rule.match(case.event) != case.matches:
            said = "expected a match, the rule is silent" if case.matches else "expected silence, the rule matches"
            out.append(Problem(case.place.path, case.place.line, case.place.column, f"{rule.id}: {case.name}: {said}", case.place.excerpt))
    if {case.matches for case in cases} != {True, False}:
        out.append(Problem(rule.path, rule.line, 1, f"{rule.id} needs a case that matches and one that is silent"))
    return out


def unproven(rule: Rule, cases: list[Case], closures: Closures) -> list[str]:
    """Return the parts of the condition without which no silent case would match: nothing shows that they matter."""
    parts = conjuncts(rule.checked)
    out = []
    for at, part in enumerate(parts):
        if isinstance(part, Leaf) and (part.field.spec.name in ("evt.type", "syscall.type") or part.field.spec.constant is not None):
            continue  # the other parts may belong to one event only
        rest = And((*parts[:at], *parts[at + 1 :]))
        if not any(holds(rest, case.event, closures) for case in cases if not case.matches):
            out.append(condition_text(part))
    return out


def conjuncts(tree: Tree) -> list[Tree]:
    """Return the parts of a condition that must all hold."""
    return [one for part in tree.parts for one in conjuncts(part)] if isinstance(tree, And) else [tree]
