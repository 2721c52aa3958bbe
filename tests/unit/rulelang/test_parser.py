# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.ast import And, MacroName, Not, Or, Test
from sensor.rulelang.lexer import ConditionSyntaxError
from sensor.rulelang.parser import MAX_DEPTH, parse
from tests.unit.rulelang.conditions import source

Test.__test__ = False  # a node, not a class of tests


def parsed(text):
    """Return the tree of *text*."""
    return parse(source(text))


def test_chains_are_flat():
    """A chain of a thousand is one node."""
    node = parsed(" and ".join(["a"] * 1000))
    assert isinstance(node, And)
    assert len(node.parts) == 1000


def test_precedence():
    """Not binds before and, and before or."""
    node = parsed("not a and b or c")
    assert isinstance(node, Or)
    assert isinstance(node.parts[0], And)
    assert isinstance(node.parts[0].parts[0], Not)


def test_a_test_keeps_its_words_and_places():
    """Field, argument, operator and values are as written, with their offsets."""
    node = parsed('proc.aname[2] in (a, "b c")')
    assert (node.field.name, node.field.argument, node.operator) == ("proc.aname", "2", "in")
    assert [(value.text, value.offset, value.quoted) for value in node.values] == [("a", 18, False), ("b c", 21, True)]


def test_a_bare_list_name():
    """Without parentheses the name must be a list's."""
    assert not parsed("proc.name in shells").listed
    assert parsed("proc.name in (shells)").listed


def test_another_field_on_the_right():
    """val() marks a field."""
    assert parsed("proc.name = val(proc.pname)").other.name == "proc.pname"


def test_transformers_nest():
    """The outermost comes first."""
    assert parsed("toupper(basename(proc.exepath)) = X").field.transformers == ("toupper", "basename")


def test_macros_are_names():
    """A word alone is a macro."""
    assert isinstance(parsed("spawned_process"), MacroName)


@pytest.mark.parametrize("text", ["(" * 10_000 + "a" + ")" * 10_000, "(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1)])
def test_depth_is_bounded(text):
    """Parentheses without end are refused, not recursed into."""
    with pytest.raises(ConditionSyntaxError, match="deeper"):
        parsed(text)


def test_many_nots_are_no_recursion():
    """A run of not is counted."""
    assert isinstance(parsed("not " * 9999 + "a"), Not)
