# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.core.problems import EXCERPT_CHARACTERS, Problem, excerpt_of


def test_a_problem_names_its_place_and_shows_it():
    """The text has file, line, column, the source line with a caret, and the hint."""
    problem = Problem("a.yaml", 3, 5, "wrong", excerpt_of("abc def", 5), "right")
    assert str(problem) == "a.yaml:3:5: wrong\n    abc def\n        ^\n    hint: right"


def test_a_problem_with_a_whole_file_has_no_line():
    """Line 0 means the file."""
    assert str(Problem("a.yaml", 0, 0, "not there")) == "a.yaml: not there"


def test_excerpts_escape_what_a_terminal_would_obey():
    """Control characters of a document are shown escaped, and the caret still stands right."""
    text, caret = excerpt_of("a\x1b[31mb", 7).splitlines()
    assert text == r"a\x1b[31mb"
    assert caret.index("^") == text.index("b", 5)


def test_a_long_line_is_cut_around_the_place():
    """The excerpt of a very long line has the place in it and is short."""
    text, caret = excerpt_of("x" * 5000 + "y" + "x" * 5000, 5001).splitlines()
    assert len(text) == EXCERPT_CHARACTERS
    assert text[caret.index("^")] == "y"


def test_problems_sort_by_place():
    """Problems of one file come in the order of lines and columns."""
    places = [("a", 2, 1), ("a", 1, 9), ("a", 1, 2)]
    assert [(one.line, one.column) for one in sorted(Problem(path, line, column, "m") for path, line, column in places)] == [(1, 2), (1, 9), (2, 1)]
