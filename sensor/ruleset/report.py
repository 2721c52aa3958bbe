# SPDX-License-Identifier: Apache-2.0
"""
What the ``scout rules`` commands print; the commands themselves only parse arguments.

Exit codes: 0 good, 1 a case failed, 3 the documents have mistakes (the code of
`DocumentError`). Warnings never change the code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.core.errors import DocumentError
from sensor.core.escape import visible
from sensor.events.dimensions import CLAUSE_BITS, Clause, PathPattern
from sensor.rulelang.show import condition_text
from sensor.ruleset.cases import failing, read_cases, unproven
from sensor.ruleset.lint import narrowed
from sensor.ruleset.load import load
from sensor.ruleset.roots import host_closures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sensor.ruleset.model import Rule, RuleSet

SHOWN_VALUES = 8
"""Values of a constraint that ``explain`` prints."""


def check_text(paths: Sequence[Path]) -> tuple[str, int]:
    """Return what ``scout rules check`` prints about *paths*, and its exit code."""
    try:
        ruleset = load(paths)
    except DocumentError as error:
        return str(error) + "\n", error.exit_code
    return "".join(f"warning: {warning}\n" for warning in ruleset.warnings) + summary(ruleset) + "\n", 0


def summary(ruleset: RuleSet) -> str:
    """Return one line about a rule set."""
    counts = {status: sum(rule.status.value == status for rule in ruleset.rules) for status in ("active", "degraded", "blind")}
    bits = ", ".join(f"{kind} {len(clauses)}/{CLAUSE_BITS}" for kind, clauses in ruleset.clauses.items())
    states = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    more = f"; {len(ruleset.disabled)} disabled" if ruleset.disabled else ""
    more += f"; {len(ruleset.left_alone)} of other sources" if ruleset.left_alone else ""
    return f"{len(ruleset.rules)} rules ({states or 'none'}{more}); clauses: {bits}; hash {ruleset.hash[:16]}"


def list_rows(ruleset: RuleSet) -> list[dict[str, Any]]:
    """Return one row per rule, for a table or JSON."""
    return [
        {
            "id": rule.id, "name": rule.name, "version": rule.version, "maturity": rule.maturity, "priority": rule.priority, "attack": list(rule.attack),
            "status": rule.status.value, "reason": rule.reason, "kinds": list(rule.kinds), "tags": list(rule.tags), "desc": rule.desc,
            "file": f"{rule.path}:{rule.line}",
        }
        for rule in ruleset.rules
    ]  # fmt: skip


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return *rows* as people read them; each has what `list_rows` gives, and ``mitigation``."""
    shown = [(row["id"], row["priority"], row["status"], row["mitigation"] or "-", " ".join(row["attack"]), row["name"]) for row in rows]
    head = ("id", "priority", "status", "mitigation", "ATT&CK", "name")
    widths = [max(len(visible(row[at])) for row in (head, *shown)) for at in range(len(head) - 1)]
    return "".join(
        "  ".join([*(visible(cell).ljust(width) for cell, width in zip(row, widths, strict=False)), visible(row[-1])]) + "\n" for row in (head, *shown)
    )


def navigator_layer(ruleset: RuleSet) -> str:
    """Return an ATT&CK Navigator layer (version 4.5 of its format) of the active rules' techniques."""
    rules: dict[str, list[str]] = {}
    for rule in ruleset.rules:
        if rule.status.value != "blind":
            for technique in rule.attack:
                rules.setdefault(technique, []).append(rule.id)
    techniques = [{"techniqueID": technique, "score": len(ids), "comment": ", ".join(ids)} for technique, ids in sorted(rules.items())]
    layer = {"name": "Scout", "versions": {"layer": "4.5", "navigator": "4.9.1", "attack": "18"}, "domain": "enterprise-attack", "techniques": techniques}
    return json.dumps(layer, indent=2) + "\n"


def explain_text(ruleset: RuleSet, id_or_name: str) -> str | None:
    """Return everything about one rule: meaning, what the kernel tests of it, its functions; None when there is no such rule."""
    rule = ruleset.find(id_or_name)
    if rule is None:
        return None
    lines = [
        f"{rule.id}  {rule.name}",
        f"  {rule.priority}, {rule.status.value}{': ' + rule.reason if rule.reason else ''}; version {rule.version}; {rule.path}:{rule.line}",
        "",
        "condition, macros and lists expanded:",
        f"  {condition_text(rule.checked)}",
    ]
    for kind in rule.kinds:
        lines += ["", f"for {kind} events:", f"  {condition_text(rule.trees[kind])}", "  kernel:"]
        for at, clause in enumerate(ruleset.clauses[kind]):
            if rule.name in clause.rules:
                lines += _clause_lines(at, clause, rule)
        lines += ["  function:", *(f"    {line}" for line in rule.functions[kind].source.splitlines())]
        constants = rule.functions[kind].constants
        lines += [f"    {name} = {_short(constants[name])}" for name in constants if name[0] == "c"]
    return "\n".join(visible(line) for line in lines) + "\n"


def _clause_lines(at: int, clause: Clause, rule: Rule) -> list[str]:
    marks = [word for word, yes in (("exact", clause.exact), ("high", clause.high)) if yes]
    others = len(clause.rules) - (rule.name in clause.rules)
    cost = "dropped early" if clause.kind != "open" or narrowed(clause) else "walks the path of every open"
    if cost == "dropped early" and clause.constraints:
        cost += f": {' → '.join(one.dimension.value for one in clause.constraints)}"
    head = f"    bit {at}: {', '.join([*marks, cost])}{f'; shared with {others} other rules' if others else ''}"
    return [head, *(f"      {one.dimension.value} {'not in' if one.negated else 'in'} {_values(one.values)}" for one in clause.constraints)]


def _values(values: Sequence[Any]) -> str:
    texts = [_value(value) for value in values[:SHOWN_VALUES]]
    return "{" + ", ".join(texts) + (f", … {len(values) - SHOWN_VALUES} more" if len(values) > SHOWN_VALUES else "") + "}"


def _value(value: object) -> str:
    if isinstance(value, PathPattern):
        return value.path.decode("utf-8", "backslashreplace") + ("" if value.exact else "*")
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(getattr(value, "name", value))


def _short(value: object) -> str:
    text = repr(sorted(value, key=repr)) if isinstance(value, frozenset) else repr(value)
    return text if len(text) <= 160 else text[:160] + "…"  # noqa: PLR2004  # one line


def run_cases(paths: Sequence[Path]) -> tuple[str, int]:
    """Run the cases beside the rules of *paths*; return what ``scout rules test`` prints, and its exit code."""
    try:
        ruleset = load(paths)
        lines: list[str] = []
        failures = ran = 0
        for rule in ruleset.rules:
            beside = Path(rule.path).with_name("cases.yaml")
            if not beside.exists():
                lines.append(f"{rule.id}: no cases")
                continue
            cases = read_cases(beside)
            problems = failing(rule, cases)
            ran += len(cases)
            failures += len(problems)
            lines += [str(problem) for problem in problems]
            lines += [f"{rule.id}: no silent case shows that this part matters: {part}" for part in unproven(rule, cases, host_closures())]
    except DocumentError as error:
        return str(error) + "\n", error.exit_code
    lines.append(f"{ran} cases of {len(ruleset.rules)} rules, {failures} failed")
    return "\n".join(lines) + "\n", 1 if failures else 0
