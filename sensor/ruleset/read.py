# SPDX-License-Identifier: Apache-2.0
"""
From YAML to definitions: which keys a rule, macro or list may have, and of what type.

One definition is one entry of a rule file, not yet joined with earlier ones of
its name (`sensor.ruleset.merge`). Every mistake is noted with its place;
unknown keys are warned about, as Falco does, because files are shared between
versions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensor.adapters.documents import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from sensor.rulelang.check import Report

RULE_KEYS = frozenset(
    """
rule desc condition output priority tags enabled source exceptions append override warn_evttypes skip-if-unknown-filter capture capture_duration
id version maturity attack false_positives blind_to
""".split()
)
MACRO_KEYS = frozenset({"macro", "condition", "append", "override"})
LIST_KEYS = frozenset({"list", "items", "append", "override"})
TOLERATED = ("required_engine_version", "required_plugin_versions")
"""Entries that say what a file needs of Falco."""

_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(slots=True)
class Entry:
    """One entry of a rule file: ``kind`` is rule, macro or list."""

    kind: str
    name: Scalar
    body: Mapping
    override: dict[str, tuple[str, Scalar]] = field(default_factory=dict)
    """Key → append or replace."""
    appends: bool = False
    """The older ``append: true``."""


def entries(roots: list[Node], report: Report) -> list[Entry]:
    """Return the definitions of a file's documents in order."""
    found = []
    for root in roots:
        if isinstance(root, Scalar) and root.plain and root.text in ("", "null", "~"):
            continue
        if not isinstance(root, Sequence):
            report.problems.append(root.problem("a rule file is a list of rules, macros and lists"))
            continue
        for node in root.items:
            entry = _entry(node, report)
            if entry is not None:
                found.append(entry)
    return found


def _entry(node: Node, report: Report) -> Entry | None:
    if not isinstance(node, Mapping):
        report.problems.append(node.problem("expected an entry with the key rule, macro or list"))
        return None
    if any(key in node.entries for key in TOLERATED):
        return None
    kinds = [kind for kind in ("rule", "macro", "list") if kind in node.entries]
    if len(kinds) != 1:
        keys = ", ".join(list(node.entries)[:5])
        guesses = (report.suggestions.hint(key, ("rule", "macro", "list"), 0.6) for key in node.entries)
        report.problems.append(node.problem(f"expected one of the keys rule, macro, list; found {keys or 'none'}", next(filter(None, guesses), "")))
        return None
    kind = kinds[0]
    name = text(node, kind, report)
    known = {"rule": RULE_KEYS, "macro": MACRO_KEYS, "list": LIST_KEYS}[kind]
    for key, (place, _) in node.entries.items():
        if key not in known:
            report.warnings.append(place.problem(f"unknown key {key!r} of a {kind}", report.suggestions.hint(key, known)))
    if name is None:
        return None
    if not name.text.strip():
        report.problems.append(name.problem(f"the {kind} has no name"))
        return None
    return Entry(kind, name, node, _override(node, known, report), truth(node, "append", report) or False)


def _override(node: Mapping, known: frozenset[str], report: Report) -> dict[str, tuple[str, Scalar]]:
    value = node.get("override")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        report.problems.append(value.problem("override names keys and append or replace for each"))
        return {}
    out = {}
    for key, (place, mode) in value.entries.items():
        if key not in known or not isinstance(mode, Scalar) or mode.text not in ("append", "replace"):
            report.problems.append(place.problem(f"override {key!r}: expected a key of this entry with append or replace"))
        elif key not in node.entries:
            report.problems.append(place.problem(f"override {key!r}: the entry has no such key"))
        else:
            out[key] = (mode.text, place)
    return out


def text(node: Mapping, key: str, report: Report) -> Scalar | None:
    """Return the text of *key*, or None; a value of another kind is a problem."""
    value = node.get(key)
    if value is None or isinstance(value, Scalar):
        return value
    report.problems.append(value.problem(f"{key} is a text"))
    return None


def truth(node: Mapping, key: str, report: Report) -> bool | None:
    """Return the truth value of *key*, or None when it is not there."""
    value = node.get(key)
    if value is None:
        return None
    if isinstance(value, Scalar) and value.text.lower() in _TRUTHS:
        return _TRUTHS[value.text.lower()]
    report.problems.append(value.problem(f"{key} is true or false"))
    return None


def texts(node: Mapping, key: str, report: Report) -> list[Scalar] | None:
    """Return the texts of the list at *key*, or None when it is not there."""
    value = node.get(key)
    if value is None:
        return None
    if not isinstance(value, Sequence):
        report.problems.append(value.problem(f"{key} is a list"))
        return []
    out = []
    for item in value.items:
        if isinstance(item, Scalar):
            out.append(item)
        else:
            report.problems.append(item.problem(f"{key} is a list of texts"))
    return out
