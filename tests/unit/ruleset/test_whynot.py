# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.events.common import FrameFlag
from sensor.rulelang.links import no_closures
from sensor.ruleset.whynot import SHOWN_CHARACTERS, why
from tests.unit.events_factory import make_event
from tests.unit.ruleset.documents import loaded, rule


def said(condition, **event):
    """What is said about an open."""
    ruleset = loaded(rule(f"evt.type = openat and {condition}", name="r"))
    return why(ruleset, ruleset.rules[0], make_event("open", **event), no_closures)


def test_the_part_that_failed_is_told_from_those_that_held():
    """Each with the values it looked at, and the kernel's bit."""
    lines = said("proc.name = cat and (fd.name = /a or fd.name = /b)", path="/c")
    assert lines[0] == "is silent"
    assert lines[1] == "  kernel: bit 0 dropped"
    assert "  holds  proc.name = cat" in lines
    assert any(line.startswith("  FAILS  ") and "/a" in line for line in lines)
    assert "           fd.name is /c" in lines
    assert said("proc.name = cat", path="/c")[:2] == ["matches", "  kernel: bit 0 kept"]


def test_unknown_and_missing_values_say_so():
    """A cut path holds either way; what is not there is <NA>."""
    lines = said("not fd.name startswith /tmp/", path="x/y", flags=int(FrameFlag.PATH_CUT))
    assert lines[0] == "matches"
    assert any("…x/y (unknown: a test and its negation hold)" in line for line in lines)
    assert any("fd.sport is <NA>" in line for line in said("not fd.sport = 80"))


@pytest.mark.parametrize("name", [b"x" * 500, b"\x1b[31m", b"a\nb"])
def test_values_are_cut(name):
    """They are an attacker's; whoever prints them escapes them as well."""
    assert max(map(len, said("fd.name = /a", path=b"/" + name))) < SHOWN_CHARACTERS + 80
