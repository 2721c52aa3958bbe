# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.show import condition_text
from tests.unit.ruleset.documents import loaded, problems, rule


def meaning(exceptions, more=""):
    """Return the condition of a rule with *exceptions*."""
    (found,) = loaded("- {list: l, items: [x, y]}\n" + rule("proc.tty = 0", more=f"  exceptions:\n{exceptions}"), more).rules
    return condition_text(found.checked)


@pytest.mark.parametrize(
    ("exception", "condition"),
    [
        ("    - {name: e, fields: proc.name, values: [a, b]}\n", "not proc.name in (a, b)"),
        ("    - {name: e, fields: proc.name, comps: startswith, values: [a, b]}\n", "not (proc.name startswith a or proc.name startswith b)"),
        ("    - {name: e, fields: [proc.name, fd.num], values: [[a, 1], [b, 2]]}\n", "not ((proc.name = a and fd.num = 1) or (proc.name = b and fd.num = 2))"),
        ("    - {name: e, fields: [proc.name, fd.name], comps: [in, pmatch], values: [[[a, b], [/x]]]}\n", "not (proc.name in (a, b) and fd.name pmatch (/x))"),
        ("    - {name: e, fields: ['proc.aname[2]'], comps: [in], values: [[[l]]]}\n", "not proc.aname[2] in (x, y)"),
        ("    - {name: e, fields: proc.name, values: ['\"a b\"']}\n", 'not proc.name in ("a b")'),
    ],
)
def test_exceptions_are_taken_out(exception, condition):
    """One field or several, with or without comparisons, with lists."""
    assert meaning(exception) == f"proc.tty = 0 and {condition}"


def test_an_exception_without_values_excepts_nothing():
    """A later file fills it."""
    empty = "    - {name: e, fields: [proc.name]}\n"
    assert meaning(empty) == "proc.tty = 0"
    filled = "- {rule: r, append: true, exceptions: [{name: e, values: [[a]]}]}\n"
    assert meaning(empty, filled) == "proc.tty = 0 and not proc.name = a"
    new = "- {rule: r, override: {exceptions: append}, exceptions: [{name: f, fields: proc.pname, values: [b]}]}\n"
    assert meaning(empty, new) == "proc.tty = 0 and not proc.pname in (b)"


@pytest.mark.parametrize(
    ("exception", "words"),
    [
        ("    - {fields: proc.name, values: [a]}\n", "has a name"),
        ("    - {name: e, values: [a]}\n", "names no fields"),
        ("    - {name: e, fields: [proc.name, fd.num], comps: [=], values: [[a, 1]]}\n", "one comparison for each"),
        ("    - {name: e, fields: [proc.name], comps: [like], values: [[a]]}\n", "one comparison for each"),
        ("    - {name: e, fields: [proc.name, fd.num], values: [[a]]}\n", "2 values"),
        ("    - {name: e, fields: [proc.name], values: [[[a, b]]]}\n", "one value"),
        ("    - {name: e, fields: [nothing], values: [[a]]}\n", "is not a field"),
        ("    - {name: e, fields: [proc.nmae], values: [[a]]}\n", "no field is called"),
        ("    - {name: e, fields: [fd.num], values: [[a]]}\n", "compared with a number"),
        ("    - {name: e, fields: proc.name, values: a}\n", "values is a list"),
    ],
)
def test_mistakes_in_exceptions(exception, words):
    """Each is told at its place."""
    found = problems(rule("proc.tty = 0", more=f"  exceptions:\n{exception}"))
    assert any(words in problem.message for problem in found), [problem.message for problem in found]
    assert all(problem.line == 8 for problem in found)
