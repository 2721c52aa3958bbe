# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.adapters import patterns
from sensor.core.errors import DocumentError


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "a{1000}{1000}", "\ud800", "x" * 9_000])
def test_a_bad_pattern_is_a_document_error(pattern):
    """Syntax errors, look-around, back-references, text that is not text and monsters are refused, and only as DocumentError."""
    with pytest.raises(DocumentError):
        patterns.compile(pattern)


def test_the_message_names_the_pattern_and_the_way_out():
    """A refusal shows the pattern and says why look-around is not there."""
    with pytest.raises(DocumentError, match="bad regular expression") as caught:
        patterns.compile("(?!a)")
    assert "(?!a)" in str(caught.value)
    assert "look-around" in caught.value.hint


def test_search_fullmatch_and_sub():
    """The three calls behave as those of the standard library."""
    pattern = patterns.compile("a(b)?")
    assert pattern.groups == 1
    found = pattern.search("xxa")
    assert found is not None
    assert (found.span(), found.group(1), found.span(1)) == ((2, 3), None, (-1, -1))
    assert pattern.fullmatch("abx") is None
    assert pattern.sub(lambda match: (match.group() or "").upper(), "ab-a") == "AB-A"


def test_a_pattern_without_captures_has_no_groups():
    """capture=False drops the groups."""
    assert patterns.compile("a(b)", capture=False).groups == 0


def test_an_evil_pattern_is_linear():
    """A pattern that makes a backtracking engine run for ever answers at once."""
    assert patterns.compile("(a+)+$").search("a" * 20_000 + "b") is None
