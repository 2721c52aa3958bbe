# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.adapters import documents
from sensor.core.errors import DocumentError


def problems(content):
    """Return what is wrong with *content* as (line, column, message)."""
    with pytest.raises(DocumentError) as caught:
        documents.parse(content, "f.yaml")
    return [(one.line, one.column, one.message) for one in caught.value.problems]


def test_every_value_knows_its_place():
    """Lines and columns are from 1 and point at the value."""
    (root,) = documents.parse(b"- a: 1\n  b: [x, 'y z']\n", "f.yaml")
    item = root.items[0]
    assert (item.get("a").text, item.get("a").line, item.get("a").column) == ("1", 1, 6)
    quoted = item.get("b").items[1]
    assert (quoted.text, quoted.line, quoted.column, quoted.plain) == ("y z", 2, 10, False)


@pytest.mark.parametrize(
    ("content", "word", "place"),
    [
        (b"c: one two\n", "two", (1, 8)),
        (b"c: 'one two'\n", "two", (1, 9)),
        (b"c: >-\n  one\n  two\n", "two", (3, 3)),
        (b"c: |\n  one\n\n    two\n", "two", (4, 5)),
        (b"c: one\n   two three\n", "three", (2, 8)),
        (b'c: "a\\tone two"\n', "two", (1, 4)),
    ],
    ids=["plain", "quoted", "folded", "literal", "over lines", "with escapes: the value's own place"],
)
def test_a_place_inside_a_text(content, word, place):
    """A part of a scalar is found in the file, however the scalar is folded."""
    scalar = documents.parse(content, "f.yaml")[0].get("c")
    assert scalar.place_of(scalar.text.index(word)) == place


def test_the_end_of_a_text_has_a_place():
    """What is missing at the end is told behind the last letter."""
    scalar = documents.parse(b"c: >\n  one\n  two\nd: x\n", "f.yaml")[0].get("c")
    assert scalar.place_of(len(scalar.text)) == (3, 6)


def test_duplicate_keys_are_all_told():
    """Each second key is a problem at its place."""
    assert [(line, column) for line, column, _ in problems(b"a: 1\na: 2\nb: {c: 1, c: 2}\n")] == [(2, 1), (3, 11)]


@pytest.mark.parametrize("content", [b"a: &x 1\n", b"a: &x [1]\nb: *x\n", b"a: *x\n"], ids=["anchor", "anchor and alias", "alias"])
def test_anchors_and_aliases_are_refused(content):
    """Nothing is read twice, so nothing can explode."""
    assert "anchors" in problems(content)[0][2] or "alias" in problems(content)[0][2]


def test_syntax_errors_have_a_place():
    """YAML's own error carries line and column."""
    ((line, _, message),) = problems(b"a: 1\nb: [1\n")
    assert line >= 2
    assert message.startswith("not valid YAML")


def test_what_is_not_utf_8_is_told_at_its_byte():
    """A broken byte is named with its place."""
    assert problems(b"a: 1\nb: \xff\n") == [(2, 4, "byte 0xff is not UTF-8")]


def test_control_characters_are_refused():
    """YAML forbids them, and so does the reader."""
    assert problems(b"a: \x01\n")


def test_size_depth_and_count_are_bounded(monkeypatch):
    """A large, a deep and a populous file are refused."""
    assert "bytes" in problems(b"a" * (documents.MAX_BYTES + 1))[0][2]
    assert "deeper" in problems(b"[" * 10_000)[0][2]
    monkeypatch.setattr(documents, "MAX_NODES", 10)
    assert "more than 10 values" in problems(b"[" + b"1, " * 20 + b"1]")[0][2]


def test_a_tag_makes_no_object():
    """It is refused, whatever it would make: tagged, a text would not be the text that stands there."""
    for text in (b"a: !!python/object/apply:os.system [x]\n", b"a: !!binary aGVsbG8=\n", b"a: !own {b: 1}\n"):
        ((line, column, message),) = problems(text)
        assert (line, column) == (1, 4)
        assert "is not read here" in message


def test_a_key_must_be_a_text():
    """A mapping as a key is refused."""
    assert "key" in problems(b"{a: 1}: 2\n")[0][2]
