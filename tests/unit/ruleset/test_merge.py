# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.show import condition_text
from tests.unit.ruleset.documents import loaded, problems, rule

BASE = rule("evt.type = openat and proc.name = a", more="  tags: [one]\n")


def condition(*texts):
    """Return the meaning of the only rule."""
    (found,) = loaded(*texts).rules
    return condition_text(found.checked)


def test_a_later_rule_replaces_an_earlier_one():
    """Whole, at its first place."""
    assert condition(BASE, rule("evt.type = openat and proc.name = b")) == "evt.type = openat and proc.name = b"


def test_appending_is_textual():
    """As Falco appends: the text goes behind, so precedence is that of the whole."""
    assert condition(rule("proc.name = a or proc.name = b"), "- rule: r\n  append: true\n  condition: and proc.pname = c\n") == (
        "proc.name = a or (proc.name = b and proc.pname = c)"
    )


def test_overriding():
    """Keys are appended to or replaced as named."""
    (found,) = loaded(
        BASE,
        "- rule: r\n  override: {condition: replace, tags: append, desc: append, output: replace, priority: replace}\n"
        "  condition: proc.name = z\n  tags: [two]\n  desc: more\n  output: new\n  priority: DEBUG\n",
    ).rules
    assert (found.condition, found.tags, found.desc, found.output, found.priority) == ("proc.name = z", ("one", "two"), "d more", "new", "DEBUG")


def test_macros_and_lists_too():
    """By both forms."""
    base = "- {macro: m, condition: proc.name in (l)}\n- {list: l, items: [a]}\n" + rule("m")
    more = "- {macro: m, append: true, condition: and proc.tty = 0}\n- {list: l, override: {items: append}, items: [b]}\n"
    assert condition(base, more) == "proc.name in (a, b) and proc.tty = 0"
    assert condition(base, "- {list: l, override: {items: replace}, items: [c]}\n") == "proc.name in (c)"
    assert condition(base, "- {list: l, items: [d]}\n") == "proc.name in (d)"


def test_a_mistake_in_an_appended_condition_is_told_in_its_file():
    """With the line and column there."""
    (found,) = problems(BASE, "- rule: r\n  append: true\n  condition: >-\n    and\n    proc.nmae = b\n")
    assert (found.path, found.line, found.column) == ("b.yaml", 5, 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {rule: q, append: true, condition: and a}\n", "no rule 'q' was defined before"),
        ("- {rule: r, override: {priority: append}, priority: INFO}\n", "cannot be appended to"),
        ("- {rule: r, override: {condition: append}, condition: and a, output: x}\n", "output is not named in override"),
        ("- {rule: r, override: {condition: extend}, condition: and a}\n", "append or replace"),
        ("- {rule: r, override: {condition: append}}\n", "has no such key"),
        ("- {rule: r, override: [condition]}\n", "override names keys"),
        ("- {rule: r, condition: a}\n", "has no output and no desc and no priority"),
        ("- {macro: m}\n", "has no condition"),
        ("- {list: l}\n", "has no items"),
        ("- {list: l, items: a}\n", "items is a list"),
        ("- {list: l, items: [[a]]}\n", "list of texts"),
        ("- {macro: m, condition: [a]}\n", "condition is a text"),
    ],
)
def test_changes_that_make_no_sense(text, words):
    """Each is told at its place in the later file."""
    found = [problem for problem in problems(BASE, text) if problem.path == "b.yaml"]
    assert any(words in problem.message for problem in found), [problem.message for problem in found]
