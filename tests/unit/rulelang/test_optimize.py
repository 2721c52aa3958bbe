# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.ast import Constant
from sensor.rulelang.links import no_closures
from sensor.rulelang.optimize import for_kind, literals, mentions, normalize
from sensor.rulelang.show import condition_text
from tests.unit.rulelang.conditions import tree


def normal(text):
    """Return the normal form of a condition."""
    return normalize(tree(text), no_closures)


def test_negations_end_at_the_tests():
    """De Morgan, also under two nots."""
    assert condition_text(normal("not (proc.name = a and not proc.pname = b)")) == "not proc.name = a or proc.pname = b"


@pytest.mark.parametrize(
    ("text", "kind", "left"),
    [
        ("evt.type in (open, openat) and proc.name = a", "open", "evt.type in (open, openat) and proc.name = a"),
        ("evt.type in (open, openat, openat2, creat) and proc.name = a", "open", "proc.name = a"),
        ("evt.type = execve and proc.name = a", "open", "false"),
        ("evt.type = execve and proc.name = a", "exec", "proc.name = a"),
        ("evt.type != execve", "exec", "false"),
        ("evt.dir = < and evt.num > 0", "exec", "true"),
        ("evt.dir = >", "exec", "false"),
        ("fd.sport = 80 or proc.name = a", "exec", "proc.name = a"),
        ("not fd.sport = 80", "exec", "true"),
        ("user.name = root", "exec", "user.name = root"),
    ],
)
def test_a_kind_decides_what_it_can(text, kind, left):
    """Event types, fields the kind has not, and constant fields are taken out; limitations stay."""
    assert condition_text(for_kind(normal(text), kind)) == left


def test_what_a_rule_is_about():
    """Named events, and whether the condition can hold for them."""
    assert mentions(normal("evt.type in (open, socket) and not evt.type = socket")) == {"open": True, "socket": False}
    assert mentions(normal("evt.type = sendto and user.name = x or evt.type=open and evt.dir=>")) == {"open": False, "sendto": True}


def test_shared_parts_are_visited_once():
    """A tree in which macros are shared is walked by its size, not by its paths."""
    part = tree("proc.name = a or proc.pname = b")
    from sensor.rulelang.ast import And

    for _ in range(100):
        part = And((part, part))
    assert len(list(literals(normalize(part, no_closures)))) == 2


def test_always_and_never():
    """Constants swallow or vanish."""
    assert for_kind(normal("evt.num = 0 and proc.name = a"), "open") == Constant(False)
