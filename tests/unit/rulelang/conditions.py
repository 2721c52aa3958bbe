# SPDX-License-Identifier: Apache-2.0
"""Conditions for tests, without rule files around them."""

from __future__ import annotations

from sensor.core.problems import Problem
from sensor.rulelang.ast import Source
from sensor.rulelang.check import MacroDefinition, Names, Report, check
from sensor.rulelang.parser import parse


def source(text):
    """Return *text* as a one-line source, its columns from 1."""
    return Source(text, lambda offset, message, hint: Problem("test", 1, offset + 1, message, "", hint))


def names(macros=None, lists=None):
    """Return the names that macros (texts) and lists (tuples of texts) define."""
    found = Names(lists={name: tuple((item, False) for item in items) for name, items in (lists or {}).items()})
    for name, text in (macros or {}).items():
        found.macros[name] = MacroDefinition(parse(source(text)))
    return found


def checked(text, known=None):
    """Return the checked tree of *text* and the report; the tree is None when there are problems."""
    report = Report()
    where = source(text)
    found = check(parse(where), where, known or Names(), report)
    return found and found.tree, report


def tree(text, known=None):
    """Return the checked tree of a condition that has no mistake."""
    found, report = checked(text, known)
    assert found is not None, [str(problem) for problem in report.problems]
    return found
