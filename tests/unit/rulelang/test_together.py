# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from sensor.rulelang.links import no_closures
from sensor.rulelang.optimize import for_kind, normalize
from sensor.rulelang.together import MAX_DEPTH, compile_together
from sensor.ruleset.cases import read_cases
from sensor.ruleset.load import load
from tests.unit.events_factory import make_event
from tests.unit.rulelang.conditions import tree

RULES = Path(__file__).parents[3] / "rules"


def together(*texts, kind="open"):
    """Return the function for some conditions."""
    return compile_together([for_kind(normalize(tree(text), no_closures), kind) for text in texts], "test")


def test_each_condition_has_its_place():
    """Places of what holds, in order, whatever they share."""
    match = together("proc.name = a and proc.tty = 0", "proc.tty = 0", "proc.name = a and proc.tty = 1", "proc.name = a", "evt.dir = <", "evt.dir = >")
    assert match(make_event("open", comm="a")) == [0, 1, 3, 4]
    assert match(make_event("open", comm="b", tty_dev=1)) == [4]


def test_what_is_shared_is_read_once():
    """Two conditions that begin alike ask once; a field that is first read in a block is read again outside of it."""
    reads = []

    class Counted:
        kind_name = "open"
        flags = 0

        def __getattr__(self, name):
            reads.append(name)
            return {"comm": b"a", "tty_dev": 1, "pcomm": b"p"}[name]

    match = together("proc.name = a and proc.tty = 1", "proc.name = a and proc.tty = 2", "proc.pname = p and proc.tty = 1")
    assert match(Counted()) == [0, 2]
    assert (reads.count("comm"), reads.count("tty_dev")) == (1, 2)


def test_long_conditions_are_no_deep_source():
    """Beyond some levels the rest is one test."""
    texts = [" and ".join(f"proc.name != n{at}x{number}" for at in range(4 * MAX_DEPTH)) for number in range(3)]
    match = together(*texts)
    assert match(make_event("open", comm="a")) == [0, 1, 2]
    assert match(make_event("open", comm=f"n{4 * MAX_DEPTH - 1}x1")) == [0, 2]


@pytest.mark.parametrize("kind", ["open", "exec", "connect"])
def test_the_managed_rules_together_say_what_each_says(kind):
    """For every event of every case of every rule."""
    rules = [rule for rule in load([RULES]).rules if kind in rule.functions]
    match = compile_together([rule.trees[kind] for rule in rules], kind)
    events = [case.event for rule in rules for case in read_cases(Path(rule.path).with_name("cases.yaml")) if case.event.kind_name == kind]
    assert events
    for event in events:
        assert match(event) == [at for at, rule in enumerate(rules) if rule.match(event)]
