# SPDX-License-Identifier: Apache-2.0
"""
From a normal form to one Python function per rule and event kind.

The function reads each field at most once, tests in the order of the
condition, and leaves at the first conjunct that fails. It stands in
`linecache`, so that a traceback shows its lines.

Nothing a user wrote is in the source: constants and getters are reached by
numbered names (``c3``, ``g1``) in the function's globals, and operators come
from the table. A field that cannot be missing or unknown is not asked whether
it is.
"""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sensor.rulelang.ast import And, Constant, Or
from sensor.rulelang.interpret import may_hold
from sensor.rulelang.operators import in_networks, pmatches
from sensor.rulelang.optimize import Literal, Normal, literals
from sensor.rulelang.values import FieldType, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.rulelang.bound import Bound


@dataclass(frozen=True, slots=True)
class Compiled:
    """A function and its source."""

    match: Callable[[Any], bool]
    source: str
    constants: dict[str, Any]
    """The numbered names, for ``explain``."""


def compile_condition(tree: Normal, name: str) -> Compiled:
    """
    Return the function for *tree*, which `sensor.rulelang.optimize.for_kind` made for one kind.

    *name* (of letters, digits, ``_`` and ``-``) becomes part of the file name
    that a traceback shows, nothing else.
    """
    writer = Writer()
    source = "\n".join(writer.function(tree)) + "\n"
    return Compiled(load(source, f"rule {name}", writer.constants), source, writer.constants)


def load(source: str, name: str, constants: dict[str, Any]) -> Any:
    """
    Return the function ``match`` that *source*, which a `Writer` wrote, defines.

    *name*, a word and what it is, is shown in tracebacks without its odd characters.
    """
    what, _, which = name.partition(" ")
    safe = "".join(character for character in which if character.isascii() and (character.isalnum() or character in "_-"))
    filename = f"<{what} {safe}>"
    scope: dict[str, Any] = dict(constants)
    exec(compile(source, filename, "exec"), scope)  # noqa: S102  # the text has numbered names and rows of the operator table only
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return scope["match"]


class Writer:
    """Writes expressions over numbered names, and knows which fields were read where it stands."""

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {"Unknown": Unknown, "in_networks": in_networks, "pmatches": pmatches}
        self._fields: dict[tuple[str, int], str] = {}
        self._read: set[str] = set()

    def function(self, tree: Normal) -> list[str]:
        """Return the lines of the function."""
        lines = ["def match(event):"]
        parts = tree.parts if isinstance(tree, And) else (tree,)
        for part in parts:
            lines += [f"    {line}" for line in self.reads(part)]
            lines += [f"    if not ({self.expression(part)}):", "        return False"]
        return [*lines, "    return True"]

    def scope(self) -> set[str]:
        """Begin a block: what is read in it is not read behind it. Returns what `leave` wants."""
        return set(self._read)

    def leave(self, scope: set[str]) -> None:
        """End the block that `scope` began."""
        self._read = scope

    def reads(self, part: Normal) -> list[str]:
        """Return the assignments of the fields that *part* needs and that were not read yet."""
        lines = []
        for literal in literals(part):
            variable = self._variable(literal.leaf.field)
            if variable not in self._read:
                self._read.add(variable)
                lines.append(f"{variable} = g{variable[1:]}(event)")
        return sorted(lines)

    def _variable(self, field: Bound) -> str:
        key = (field.label, 0)
        if key not in self._fields:
            self._fields[key] = f"v{len(self._fields)}"
            self.constants[f"g{len(self._fields) - 1}"] = field.get
        return self._fields[key]

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def expression(self, node: Normal) -> str:
        """Return the test that *node* is, over fields that were read."""
        if isinstance(node, Constant):
            return str(node.value)
        if isinstance(node, Literal):
            return self._literal(node)
        word = " and " if isinstance(node, And) else " or "
        assert isinstance(node, And | Or)  # noqa: S101  # nothing else is left
        return "(" + word.join(self.expression(part) for part in node.parts) + ")"

    def _literal(self, literal: Literal) -> str:
        """Return the expression of a test with its missing and unknown values."""
        field, negated = literal.leaf.field, literal.negated
        v = self._variable(field)
        missing = field.spec.missing or field.label != field.spec.name  # indexed and transformed fields may be missing
        unknown = field.spec.unknowable
        text = self._known(literal, v)
        if negated:
            text = f"not ({text})"
        if unknown:
            may = "True" if negated and not field.spec.few else self._may(literal, v)
            text = f"({may}) if {v}.__class__ is Unknown else ({text})"
        if missing:
            text = f"{v} is None or ({text})" if negated else f"{v} is not None and ({text})"
        return f"({text})"

    def _may(self, literal: Literal, v: str) -> str:
        """Return the expression of a test on a value of which a part, or a choice of a few, is known: rare, so the interpreter's own."""
        if literal.leaf.field.spec.few:
            return f"{self._constant(partial(may_hold, literal.leaf, values=literal.values, negated=literal.negated))}({v})"
        return f"{self._constant(literal.leaf.operator.may)}({v}, {self._constant(literal.values)})"

    def _known(self, literal: Literal, v: str) -> str:
        """Return the expression of a test on a known value."""
        operator, field = literal.leaf.operator, literal.leaf.field
        c = self._constant(operator.prepare(literal.values))
        address = field.type is FieldType.ADDRESS
        code = (operator.address_code if address else "") or operator.code
        if not field.many:
            return code.format(v=v, c=c)
        if operator.many_code and not address:
            return operator.many_code.format(v=v, c=c)
        answers = f"[{code.format(v='one', c=c)} for one in {v}]"
        return f"{answers}.count(True) == 1" if operator.quantity == "one" else f"{operator.quantity}({answers})"
