# SPDX-License-Identifier: Apache-2.0
"""
What the parser makes of a condition, and where each part of it stands.

Two trees share the inner nodes: the parser's, with names (`Test`, `MacroName`),
and the checker's, with meaning (`sensor.rulelang.check.Leaf`). ``and`` and
``or`` have any number of parts, so that a chain of a thousand is not a
thousand deep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.core.problems import Problem


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A condition's text; *problem_at* tells the place of an offset in terms of the file."""

    text: str
    problem_at: Callable[[int, str, str], Problem]

    def problem(self, offset: int, message: str, hint: str = "") -> Problem:
        """Return a problem at *offset* of the text."""
        return self.problem_at(offset, message, hint)


@dataclass(frozen=True, slots=True)
class Value:
    """A constant as it was written; *quoted* text is never the name of a list."""

    text: str
    offset: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class FieldName:
    """A field as it was written, the innermost transformer last in *transformers*."""

    name: str
    argument: str | None
    offset: int
    transformers: tuple[str, ...] = ()
    parts: tuple[FieldName | Value, ...] = ()
    """What ``concat()`` and ``join()`` put together; *name* is then the one or the other."""
    separator: str = ""
    """What ``join()`` puts in between."""


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison. *other* is the field on the right side (``val()``), when there is one."""

    field: FieldName
    operator: str
    values: tuple[Value, ...]
    offset: int
    source: Source
    other: FieldName | None = None
    listed: bool = True
    """False for a bare name after a list operator, which must be a list's."""


@dataclass(frozen=True, slots=True)
class MacroName:
    """A macro, to be looked up."""

    name: str
    offset: int
    source: Source


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold."""

    parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Any


@dataclass(frozen=True, slots=True)
class Constant:
    """True or false whatever the event; folding makes them."""

    value: bool


Node = And | Or | Not | Test | MacroName | Constant
