# SPDX-License-Identifier: Apache-2.0
"""
Join the entries of all files, in order: later ones replace, append to, or override earlier ones.

The result is one definition per name, with every part's place kept, so that a
mistake in an appended condition is shown in the file that appended it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensor.adapters.documents import Mapping, Node, Scalar, Sequence
from sensor.rulelang.ast import Source
from sensor.ruleset import read

if TYPE_CHECKING:
    from sensor.core.problems import Problem
    from sensor.rulelang.check import Report
    from sensor.ruleset.read import Entry

APPENDABLE = {"rule": frozenset({"condition", "output", "desc", "tags", "exceptions"}), "macro": frozenset({"condition"}), "list": frozenset({"items"})}
REQUIRED = {"rule": ("condition", "output", "desc", "priority"), "macro": ("condition",), "list": ("items",)}
UNPARTED = frozenset({"rule", "macro", "list", "append", "override"})


@dataclass(slots=True)
class Definition:
    """A rule, macro or list with all that was said about it: key → the values, in order; the last, or all of an appendable key."""

    name: Scalar
    parts: dict[str, list[Node]] = field(default_factory=dict)

    def scalars(self, key: str, report: Report) -> list[Scalar]:
        """Return the texts of *key*; something else is a problem."""
        out = []
        for node in self.parts.get(key, []):
            if isinstance(node, Scalar):
                out.append(node)
            else:
                report.problems.append(node.problem(f"{key} is a text"))
        return out

    def items(self, key: str, report: Report) -> list[Scalar]:
        """Return the texts of the lists at *key*."""
        out: list[Scalar] = []
        for node in self.parts.get(key, []):
            if isinstance(node, Sequence):
                good = [item for item in node.items if isinstance(item, Scalar)]
                report.problems += [item.problem(f"{key} is a list of texts") for item in node.items if not isinstance(item, Scalar)]
                out += good
            else:
                report.problems.append(node.problem(f"{key} is a list"))
        return out

    def truth(self, key: str, report: Report) -> bool | None:
        """Return the last truth value of *key*."""
        nodes = self.parts.get(key)
        return read.truth(Mapping(nodes[-1].document, 0, 0, {key: (self.name, nodes[-1])}), key, report) if nodes else None


@dataclass(slots=True)
class Definitions:
    """Everything that the files define, by name."""

    rules: dict[str, Definition] = field(default_factory=dict)
    macros: dict[str, Definition] = field(default_factory=dict)
    lists: dict[str, Definition] = field(default_factory=dict)

    def take(self, entry: Entry, report: Report) -> None:
        """Join the next entry."""
        table = {"rule": self.rules, "macro": self.macros, "list": self.lists}[entry.kind]
        name = entry.name.text
        earlier = table.get(name)
        keys = set(entry.body.entries) - UNPARTED
        switches_only = entry.kind == "rule" and keys == {"enabled"}
        if not (entry.appends or entry.override or switches_only):
            missing = [key for key in REQUIRED[entry.kind] if key not in entry.body.entries]
            if missing:
                report.problems.append(entry.name.problem(f"the {entry.kind} {name!r} has no {' and no '.join(missing)}"))
                return
            table[name] = Definition(entry.name, {key: [entry.body.entries[key][1]] for key in keys})
            return
        if earlier is None:
            message = f"no {entry.kind} {name!r} was defined before, so there is nothing to change"
            report.problems.append(entry.name.problem(message, report.suggestions.hint(name, table)))
            return
        self._change(entry, earlier, keys, report)

    @staticmethod
    def _change(entry: Entry, earlier: Definition, keys: set[str], report: Report) -> None:
        for key in sorted(keys):
            node = entry.body.entries[key][1]
            appendable = key in APPENDABLE[entry.kind]
            if entry.override:
                if key not in entry.override:
                    report.problems.append(entry.body.entries[key][0].problem(f"{key} is not named in override", "say append or replace for it"))
                    continue
                mode, place = entry.override[key]
                if mode == "append" and not appendable:
                    report.problems.append(place.problem(f"{key} cannot be appended to"))
                    continue
            else:
                mode = "append" if appendable and entry.appends and key in ("condition", "exceptions", "items", "tags") else "replace"
            earlier.parts[key] = [*earlier.parts.get(key, []), node] if mode == "append" else [node]


def source_of(parts: list[Scalar]) -> Source:
    """Return the text of *parts*, joined by a space as Falco appends conditions, with places in their files."""
    starts = [0]
    for part in parts[:-1]:
        starts.append(starts[-1] + len(part.text) + 1)

    def problem_at(offset: int, message: str, hint: str) -> Problem:
        at = bisect_right(starts, offset) - 1
        part = parts[at]
        line, column = part.place_of(min(offset - starts[at], len(part.text)))
        return part.document.problem(line, column, message, hint)

    return Source(" ".join(part.text for part in parts), problem_at)
