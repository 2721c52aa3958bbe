# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.lexer import ConditionSyntaxError, Cursor, unquoted


def test_words_end_where_they_end():
    """A keyword is not the beginning of another word."""
    assert not Cursor("android").take_word("and")
    assert Cursor("and(").take_word("and")


@pytest.mark.parametrize(
    ("text", "value"), [("'a b'", "a b"), ('"a\\"b"', 'a"b'), ("'a\\'b'", "a'b"), ('"a\\nb"', "a\nb"), ('"a\\\\b"', "a\\b"), ("''", ""), ('"a\'b"', "a'b")]
)
def test_quoted_values(text, value):
    """Either mark quotes; a backslash escapes the mark, itself and the usual control characters."""
    cursor = Cursor(text)
    assert cursor.take_quoted() == value
    assert cursor.at_end()


@pytest.mark.parametrize(("text", "offset"), [("'a", 0), ('"a\\q"', 2), ('"\\\'"', 1)])
def test_bad_quotations_are_told_at_their_place(text, offset):
    """An open quotation and an unknown escape are mistakes."""
    with pytest.raises(ConditionSyntaxError) as caught:
        Cursor(text).take_quoted()
    assert caught.value.offset == offset


def test_bare_values_end_at_punctuation():
    """A value without quotes ends at blanks, parentheses, commas, quotes and equal signs."""
    for end in " ()\"'=,\t":
        assert Cursor(f"/a-b.c:*<{end}x").take_bare() == "/a-b.c:*<"


def test_fields_have_a_dot():
    """A word without a dot is no field; a label's name may have slashes."""
    assert Cursor("proc").take_field() is None
    assert Cursor("evt.arg.flags ").take_field() == "evt.arg.flags"
    assert Cursor("k8s.pod.label.app.kubernetes.io/name = x").take_field() == "k8s.pod.label.app.kubernetes.io/name"


@pytest.mark.parametrize(("text", "item"), [('"10.0.0.0/8"', ("10.0.0.0/8", True)), ("plain", ("plain", False)), ("'a", ("'a", False)), ('"', ('"', False))])
def test_items_of_lists_may_be_quoted_inside(text, item):
    """The quotes that Falco's lists need mean the same as none."""
    assert unquoted(text) == item
