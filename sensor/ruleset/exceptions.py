# SPDX-License-Identifier: Apache-2.0
"""
Exceptions of a rule: tables of fields, comparisons and values, turned into conditions.

Each row of values is a conjunction; a rule's condition holds and none of its
rows does. An exception that names fields and has no values (yet) is there to
be filled by a later file and excepts nothing.

Source:
    Falco's documentation of rule exceptions; ``fields`` may be one field, then
    ``comps`` is ``in`` unless given and ``values`` is one list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.adapters.documents import Mapping, Node, Scalar, Sequence
from sensor.rulelang.ast import And, Or, Test, Value
from sensor.rulelang.lexer import ConditionSyntaxError, unquoted
from sensor.rulelang.operators import BY_SYMBOL, Operand
from sensor.rulelang.parser import parse
from sensor.ruleset.merge import source_of

if TYPE_CHECKING:
    from sensor.rulelang.check import Report


Tree = Any
"""A condition as parsed."""


def trees(nodes: list[Node], report: Report) -> list[tuple[str, Any]]:
    """Return name and tree of every exception that has values; *nodes* are the lists in order of files, later ones add."""
    merged: dict[str, dict[str, list[Node]]] = {}
    for node in nodes:
        if not isinstance(node, Sequence):
            report.problems.append(node.problem("exceptions is a list"))
            continue
        for item in node.items:
            name = item.get("name") if isinstance(item, Mapping) else None
            if not isinstance(item, Mapping) or not isinstance(name, Scalar):
                report.problems.append(item.problem("an exception has a name"))
                continue
            parts = merged.setdefault(name.text, {})
            for key in ("fields", "comps"):
                if (value := item.get(key)) is not None:
                    parts[key] = [value]
            if (value := item.get("values")) is not None:
                parts.setdefault("values", []).append(value)
            parts.setdefault("name", [name])
    found = [(name, _tree(parts, report)) for name, parts in merged.items() if "values" in parts]
    return [(name, tree) for name, tree in found if tree is not None]


def _tree(parts: dict[str, list[Node]], report: Report) -> Tree:
    name = parts["name"][0]
    if "fields" not in parts:
        report.problems.append(name.problem("the exception names no fields"))
        return None
    fields, comps = parts["fields"][0], parts.get("comps", [None])[0]
    single = isinstance(fields, Scalar)
    names = _scalars(fields, report)
    symbols = [one.text for one in _scalars(comps, report)] if comps is not None else ["in" if single else "="] * len(names)
    if len(symbols) != len(names) or any(symbol not in BY_SYMBOL for symbol in symbols):
        report.problems.append((comps or fields).problem(f"comps needs one comparison for each of the {len(names)} fields"))
        return None
    rows: list[Any] = []
    for values in parts["values"]:
        if not isinstance(values, Sequence):
            report.problems.append(values.problem("values is a list"))
            continue
        if single:
            rows += _single(names[0], symbols[0], values, report)
        else:
            rows += _rows(names, symbols, values, report)
    return _joined(Or, rows) if rows else None


def _joined(kind: type[And | Or], parts: list[Tree]) -> Tree:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _single(name: Scalar, symbol: str, values: Sequence, report: Report) -> list[Any]:
    if BY_SYMBOL[symbol].operand is Operand.LIST:
        return [test for test in [_test(name, symbol, values, report)] if test is not None] if values.items else []
    return [test for item in values.items if (test := _test(name, symbol, item, report)) is not None]


def _rows(names: list[Scalar], symbols: list[str], values: Sequence, report: Report) -> list[Any]:
    rows = []
    for row in values.items:
        if not isinstance(row, Sequence) or len(row.items) != len(names):
            report.problems.append(row.problem(f"each row of values has {len(names)} values, one for each field"))
            continue
        tests = [_test(name, symbol, value, report) for name, symbol, value in zip(names, symbols, row.items, strict=True)]
        if None not in tests:
            rows.append(_joined(And, tests))
    return rows


def _test(name: Scalar, symbol: str, value: Node, report: Report) -> Test | None:
    """Return one comparison; its place is the value's."""
    items = value.items if isinstance(value, Sequence) else [value]
    scalars = [item for item in items if isinstance(item, Scalar)]
    if len(scalars) != len(items) or (BY_SYMBOL[symbol].operand is Operand.ONE and len(items) != 1) or not items:
        report.problems.append(value.problem(f"{symbol} is given {'one value' if BY_SYMBOL[symbol].operand is Operand.ONE else 'a list of values'}"))
        return None
    try:
        parsed = parse(source_of([Scalar(name.document, name.line, name.column, f"{name.text} exists", plain=True, end_line=name.line)]))
    except ConditionSyntaxError:
        parsed = None
    if not isinstance(parsed, Test):
        report.problems.append(name.problem(f"{name.text!r} is not a field"))
        return None
    texts = [unquoted(scalar.text.strip("()") if scalar.text.startswith("(") and scalar.text.endswith(")") else scalar.text) for scalar in scalars]
    offsets = [0, *(len(scalar.text) + 1 for scalar in scalars)]
    written = tuple(Value(text, sum(offsets[: at + 1]), quoted) for at, (text, quoted) in enumerate(texts))
    return Test(parsed.field, BY_SYMBOL[symbol].symbol, written, 0, source_of(scalars))


def _scalars(node: Node, report: Report) -> list[Scalar]:
    if isinstance(node, Scalar):
        return [node]
    items = node.items if isinstance(node, Sequence) else []
    good = [item for item in items if isinstance(item, Scalar)]
    if not items or len(good) != len(items):
        report.problems.append(node.problem("expected a text or a list of texts"))
    return good
