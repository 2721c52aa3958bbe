# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import fnmatch

import pytest

from sensor.adapters.regex import MAX_PATTERN_BYTES, PatternError, full_match, glob_match


def test_an_expression_is_about_the_whole_text():
    """A match in the middle is none."""
    assert full_match(b"a+")(b"aaa")
    assert not full_match(b"a+")(b"baab")


def test_bytes_that_are_no_text_are_matched():
    """Invalid UTF-8 does not slip through a dot."""
    assert full_match(b"/tmp/.*")(b"/tmp/\xff\xfe")
    assert full_match("/tmp/ä".encode())("/tmp/ä".encode())


@pytest.mark.parametrize("pattern", [b"(", b"a{2000}{2000}", b"(?=x)", b"(a)\\1", b"x" * (MAX_PATTERN_BYTES + 1)])
def test_bad_and_huge_patterns_are_refused(pattern):
    """Syntax, look-around, back-references and size are refused when the rule is loaded."""
    with pytest.raises(PatternError):
        full_match(pattern)


def test_time_is_linear():
    """A pattern that explodes elsewhere ends at once."""
    assert not full_match(b"(a*)*b")(b"a" * 100_000)


@pytest.mark.parametrize("pattern", ["*", "/etc/*", "a?c", "[abc]x", "[!abc]x", "[a-c]*", "a.b+c", "x[", "[]]", "a-b"])
@pytest.mark.parametrize("text", ["", "abc", "ax", "dx", "/etc/a/b", "a.b+c", "x[", "]", "a-b", "bcd\nx"])
def test_globs_agree_with_fnmatch(pattern, text):
    """Where Python's fnmatch knows the pattern, the answers are the same."""
    assert glob_match(pattern.encode())(text.encode()) == fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [(b"@(a|b)c", b"bc", b"c"), (b"?(a)c", b"c", b"aac"), (b"*(ab)", b"abab", b"aba"), (b"+(a)", b"aa", b""), (b"a\\*", b"a*", b"ab"), (b"a|b", b"a|b", b"a")],
)
def test_extended_globs(pattern, good, bad):
    """Alternatives and repetitions are those of fnmatch's FNM_EXTMATCH."""
    assert glob_match(pattern)(good)
    assert not glob_match(pattern)(bad)


@pytest.mark.parametrize("pattern", [b"!(a)", b"@(a"])
def test_globs_that_cannot_be_held_are_refused(pattern):
    """A negated group and an open one are mistakes."""
    with pytest.raises(PatternError):
        glob_match(pattern)


def test_letters_of_either_case():
    """Folding is for ASCII letters."""
    assert glob_match(b"SH*", fold=True)(b"shadow")
    assert not glob_match(b"SH*")(b"shadow")
