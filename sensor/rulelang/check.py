# SPDX-License-Identifier: Apache-2.0
"""
From names to meaning: fields, operators, macros, lists and typed constants.

The checker finds every mistake of a condition, not only the first, and says
what was probably meant. What it gives has no names left to look up. A field
that this build cannot fill is no mistake: its `Leaf` carries the limitation,
and what depends on it is reported as blind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sensor.adapters.regex import PatternError
from sensor.core.suggest import Suggestions
from sensor.rulelang import fields, transform
from sensor.rulelang.ast import And, FieldName, MacroName, Node, Not, Or, Source, Test, Value
from sensor.rulelang.bound import CONSTANT_ONLY, PRINTABLE, Bound, comparison, together
from sensor.rulelang.operators import BY_SYMBOL, Operand, Operator, glob_tester, regex_tester
from sensor.rulelang.syscalls import EVENT_TYPES
from sensor.rulelang.values import COMM_TEXT_BYTES, FieldType, parse_network

if TYPE_CHECKING:
    from collections.abc import Collection

    from sensor.core.problems import Problem

MAX_LEAVES = 20_000
"""Most tests in one expanded condition; macros of macros double it with every line."""

MAX_NESTING = 200
"""Deepest expanded condition; later stages recurse."""

MAX_VALUES = 200_000
"""Most constants of one test, and of one condition, after its lists are expanded."""

EQUAL = frozenset({"=", "!=", "in", "intersects", "anyof", "allof", "oneof"})
"""Operators whose constants are whole values."""

_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """One test with its meaning; *values* are typed and as written (links are not followed yet)."""

    field: Bound
    operator: Operator
    values: tuple[Any, ...]
    limitation: str
    written: Test
    """What it was made of, which tells its place."""


@dataclass(slots=True)
class MacroDefinition:
    """A macro: its tree as parsed; None when it could not be parsed (that was said already)."""

    tree: Node | None


@dataclass(slots=True)
class Names:
    """The macros and lists of a rule set, and what was found out about macros."""

    macros: dict[str, MacroDefinition] = field(default_factory=dict)
    lists: dict[str, tuple[tuple[str, bool], ...]] = field(default_factory=dict)
    """Items with whether they were quoted inside; an unquoted one may be a list itself."""

    checked: dict[str, Checked | None] = field(default_factory=dict)
    expanded: dict[str, tuple[tuple[str, bool], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked tree and its size."""

    tree: Any
    leaves: int
    depth: int
    values: int
    """Constants, lists expanded."""


@dataclass(slots=True)
class Report:
    """What the checker found."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    suggestions: Suggestions = field(default_factory=Suggestions)


def check(tree: Node, source: Source, names: Names, report: Report) -> Checked | None:
    """Return the meaning of *tree*, or None when it has mistakes, which are then in *report*."""
    return _Checker(names, report).node(tree, source, ())


class _Checker:
    def __init__(self, names: Names, report: Report) -> None:
        self.names = names
        self.report = report

    def node(self, node: Node, source: Source, using: tuple[str, ...]) -> Checked | None:
        if isinstance(node, And | Or):
            parts = [self.node(part, source, using) for part in node.parts]
            good = [part for part in parts if part is not None]
            if len(good) < len(parts):
                return None
            tree = type(node)(tuple(part.tree for part in good))
            return self._bounded(Checked(tree, sum(p.leaves for p in good), max(p.depth for p in good) + 1, sum(p.values for p in good)), source)
        if isinstance(node, Not):
            inner = self.node(node.part, source, using)
            return inner and replace(inner, tree=Not(inner.tree), depth=inner.depth + 1)
        if isinstance(node, MacroName):
            return self._macro(node, using)
        assert isinstance(node, Test)  # noqa: S101  # the parser makes nothing else
        leaf = self._leaf(node)
        return None if leaf is None else Checked(leaf, 1, 1, len(leaf.values))

    def _bounded(self, checked: Checked, source: Source) -> Checked | None:
        if checked.leaves <= MAX_LEAVES and checked.depth <= MAX_NESTING and checked.values <= MAX_VALUES:
            return checked
        has = f"{checked.leaves} tests nested {checked.depth} deep with {checked.values} values"
        self._problem(source, 0, f"the condition, macros and lists expanded, has {has}; {MAX_LEAVES}, {MAX_NESTING} and {MAX_VALUES} are the most")
        return None

    def _guess(self, word: str, known: Collection[str]) -> str:
        return self.report.suggestions.hint(word, known)

    def _problem(self, source: Source, offset: int, message: str, hint: str = "") -> None:
        self.report.problems.append(source.problem(offset, message, hint))

    def _macro(self, node: MacroName, using: tuple[str, ...]) -> Checked | None:
        names = self.names
        if node.name in using:
            self._problem(node.source, node.offset, f"the macro {node.name!r} uses itself: {' → '.join((*using, node.name))}")
            return None
        if len(using) >= MAX_NESTING:
            self._problem(node.source, node.offset, f"macros of macros more than {MAX_NESTING} deep")
            return None
        if node.name not in names.checked:
            definition = names.macros.get(node.name)
            if definition is None:
                known = "it is a list, not a macro" if node.name in names.lists else self._guess(node.name, names.macros)
                self._problem(node.source, node.offset, f"no macro is called {node.name!r}", known)
                return None
            checked = self.node(definition.tree, node.source, (*using, node.name)) if definition.tree is not None else None
            names.checked[node.name] = checked
        checked = names.checked[node.name]
        return checked and self._bounded(replace(checked, depth=checked.depth + 1), node.source)

    def _leaf(self, test: Test) -> Leaf | None:
        bound = self._bind(test.field, test.source)
        other = self._bind(test.other, test.source) if test.other else None
        if bound is None or (test.other and other is None):
            return None
        operator = BY_SYMBOL[test.operator]
        if bound.type not in operator.types:
            fitting = " ".join(symbol for symbol, one in BY_SYMBOL.items() if bound.type in one.types)
            self._problem(test.source, test.offset, f"{test.operator!r} does not fit {bound.label}, which is {bound.type.value}", f"one of {fitting}")
            return None
        if other is not None:
            return self._compared(test, bound, operator, other)
        limitation = bound.limitation
        values = self._values(test, bound, operator)
        return None if values is None else Leaf(bound, operator, values, limitation, test)

    def _compared(self, test: Test, bound: Bound, operator: Operator, other: Bound) -> Leaf | None:
        """Return the test of a field against another: whether it holds is the value of a field of its own."""
        if operator.symbol in CONSTANT_ONLY or other.type is not bound.type:
            what = f"{operator.symbol} takes constants" if operator.symbol in CONSTANT_ONLY else f"{other.label} is {other.type.value}"
            self._problem(test.source, test.offset, f"{bound.label} {operator.symbol} val({other.label}): {what}, {bound.label} is {bound.type.value}")
            return None
        return Leaf(comparison(bound, operator, other), BY_SYMBOL["="], (True,), bound.limitation or other.limitation, test)

    def _together(self, name: FieldName, source: Source) -> Bound | None:
        """Return what ``concat()`` or ``join()`` makes of its parts."""
        if name.separator in fields.FIELDS:
            self._problem(source, name.offset, f"the separator of join() is a constant, and {name.separator} is a field")
            return None
        parts: list[Bound | bytes] = []
        for part in name.parts:
            if isinstance(part, Value):
                parts.append(part.text.encode("utf-8", "surrogatepass"))
                continue
            bound = self._bind(part, source)
            if bound is None:
                return None
            if bound.many or bound.type not in PRINTABLE:
                self._problem(source, part.offset, f"{name.name} takes texts and numbers, which {bound.label} is not")
                return None
            parts.append(bound)
        return together(name.name, parts, name.separator.encode("utf-8", "surrogatepass"))

    def _bind(self, name: FieldName, source: Source) -> Bound | None:
        bound = self._together(name, source) if name.parts else self._plain(name, source)
        if bound is None:
            return None
        get, kind, label = bound.get, bound.type, bound.label
        for transformer in reversed(name.transformers):
            if bound.many or (kind is not FieldType.TEXT):
                self._problem(source, name.offset, f"{transformer}() takes one text, which {label} is not")
                return None
            get, kind = transform.apply(transformer, get)
            label = f"{transformer}({label})"
        return replace(bound, get=get, type=kind, label=label)

    def _plain(self, name: FieldName, source: Source) -> Bound | None:
        found = fields.find(name.name, name.argument)
        if found is None:
            self._problem(source, name.offset, f"no field is called {name.name!r}", self._guess(name.name, fields.FIELDS))
            return None
        spec, argument = found
        label = spec.name if argument is None else f"{spec.name}[{argument}]"
        if argument is not None and not spec.takes_argument:
            self._problem(source, name.offset, f"{spec.name} takes no argument in brackets")
            return None
        get, many = spec.get, spec.many
        if argument is not None and spec.indexed:
            if not argument.isascii() or not argument.isdigit() or len(argument) > 3:  # noqa: PLR2004  # no process has a thousand ancestors
                self._problem(source, name.offset, f"{spec.name}[…] takes a number, not {argument!r}")
                return None
            get, many = spec.indexed(int(argument)), False
        elif spec.keyed:
            if argument is None:
                self._problem(source, name.offset, f"{spec.name} needs a key: {spec.name}[app]")
                return None
            get = spec.keyed(argument)
        return Bound(spec, label, get, spec.type, many, "" if spec.filled else f"{label} is not filled by this build")

    def _values(self, test: Test, bound: Bound, operator: Operator) -> tuple[Any, ...] | None:
        written = self._expand(test) if operator.operand is Operand.LIST else test.values
        if written is None:
            return None
        typed = []
        for value in written:
            try:
                typed.append(self._typed(value, bound, operator, test.source))
            except ValueError as error:
                self._problem(test.source, value.offset, f"{value.text!r}: {error}")
                return None
        return tuple(dict.fromkeys(typed))

    def _typed(self, value: Value, bound: Bound, operator: Operator, source: Source) -> Any:
        text = value.text
        if bound.type is FieldType.NUMBER:
            if not _NUMBER.fullmatch(text) or len(text) > 40:  # noqa: PLR2004  # longer than any 128-bit number
                raise ValueError(f"{bound.label} is compared with a number")
            return int(text, 16 if "x" in text.lower() else 10)
        if bound.type is FieldType.TRUTH:
            if text.lower() not in ("true", "false"):
                raise ValueError(f"{bound.label} is true or false")
            return text.lower() == "true"
        if bound.type is FieldType.ADDRESS:
            try:
                return parse_network(text)
            except ValueError:
                raise ValueError(f"{bound.label} is compared with an address or a network like 10.0.0.0/8") from None
        if operator.symbol in ("bcontains", "bstartswith"):
            return bytes.fromhex(text)
        return self._text(value, bound, operator, source)

    def _text(self, value: Value, bound: Bound, operator: Operator, source: Source) -> bytes:
        data = value.text.encode("utf-8", "surrogatepass")
        equal = operator.symbol in EQUAL
        if operator.symbol in ("glob", "iglob", "regex"):
            try:
                regex_tester(data) if operator.symbol == "regex" else glob_tester(data, fold=operator.symbol == "iglob")
            except PatternError as error:
                raise ValueError(f"not a pattern: {error}") from error
        if bound.spec.comm and equal and len(data) > COMM_TEXT_BYTES and bound.type is bound.spec.type and not bound.label.endswith(")"):
            cut = data[:COMM_TEXT_BYTES]
            message = f"{value.text!r} is longer than a process name ({COMM_TEXT_BYTES} bytes) and is compared as {cut.decode(errors='replace')!r}"
            self.report.warnings.append(source.problem(value.offset, message))
            return cut
        if bound.spec.name in ("evt.type", "syscall.type") and equal:
            if value.text not in EVENT_TYPES:
                self.report.warnings.append(source.problem(value.offset, f"no event is called {value.text!r}", self._guess(value.text, EVENT_TYPES)))
            return b"execve" if data == b"execveat" else data
        return data

    def _expand(self, test: Test) -> tuple[Value, ...] | None:
        """Return the values of a list operand with the lists in it replaced by their items."""
        out: list[Value] = []
        for value in test.values:
            if value.quoted or value.text not in self.names.lists:
                if not test.listed:
                    self._problem(test.source, value.offset, f"no list is called {value.text!r}", self._guess(value.text, self.names.lists))
                    return None
                close = "" if value.quoted or "_" not in value.text else self.report.suggestions.hint(value.text, self.names.lists, 0.9)
                if close:
                    self.report.warnings.append(test.source.problem(value.offset, f"{value.text!r} is no list and stands for itself", close))
                out.append(value)
                continue
            try:
                out.extend(Value(text, value.offset, quoted) for text, quoted in self._items(value.text, ()))
            except ValueError as error:
                self._problem(test.source, value.offset, str(error))
                return None
        return tuple(out)

    def _items(self, name: str, using: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
        if name in using:
            raise ValueError(f"the list {name!r} contains itself: {' → '.join((*using, name))}")
        if len(using) >= MAX_NESTING:
            raise ValueError(f"lists of lists more than {MAX_NESTING} deep")
        done = self.names.expanded.get(name)
        if done is not None:
            return done
        out: list[tuple[str, bool]] = []
        for text, quoted in self.names.lists[name]:
            is_list = not quoted and text in self.names.lists and text != name  # a list of shells called sh may have sh in it
            out += self._items(text, (*using, name)) if is_list else [(text, quoted)]
            if len(out) > MAX_VALUES:
                raise ValueError(f"the list {name!r} has more than {MAX_VALUES} items, lists in it expanded")
        self.names.expanded[name] = tuple(out)
        return self.names.expanded[name]
