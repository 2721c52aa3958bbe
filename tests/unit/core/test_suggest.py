# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.core.suggest import MAX_CHARACTERS, Suggestions


def test_a_slip_is_guessed():
    """The nearest name, when it is near."""
    assert Suggestions().hint("proc.nmae", ("proc.name", "fd.name")) == "perhaps proc.name"
    assert Suggestions().hint("x", ("proc.name", "fd.name")) == ""
    assert Suggestions().hint("ruel", ("rule", "macro"), 0.6) == "perhaps rule"


def test_work_is_bounded():
    """Long words and names are not compared, and what all guesses together may compare is limited."""
    assert Suggestions().hint("a" * (MAX_CHARACTERS + 1), ("a" * (MAX_CHARACTERS + 1),)) == ""
    assert Suggestions().hint("a" * MAX_CHARACTERS, ("a" * (MAX_CHARACTERS + 1),)) == ""
    some = Suggestions(left=3)
    assert some.hint("nmae", ("name", "b")) == "perhaps name"
    assert some.hint("nmae", ("name", "b")) == ""
