# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.rulelang.clauses import MAX_TERMS, RuleTerms, assign, terms_of
from sensor.rulelang.dimensions_of import survivors
from sensor.rulelang.links import no_closures
from sensor.rulelang.optimize import for_kind, normalize
from tests.unit.events_factory import make_event
from tests.unit.rulelang.conditions import tree


def terms(text, kind="open"):
    """Return the terms of a condition."""
    return terms_of(for_kind(normalize(tree(text), no_closures), kind), kind)


def clauses(*texts, bits=256, high=False, kind="open"):
    """Return the clauses of rules r0, r1 and so on."""
    return assign(kind, [RuleTerms(f"r{at}", high, terms(text, kind)) for at, text in enumerate(texts)], bits)


def test_a_rule_that_is_not_about_the_kind_has_no_clause():
    """An impossible condition takes no bit."""
    assert terms("evt.type = execve") == ()
    assert clauses("evt.type = execve")[0] == ()


def test_alternatives_are_clauses():
    """Each with its own dimensions; those alike are one."""
    found, _ = clauses("fd.name in (/etc/a, /etc/b) or fd.directory = /etc/c or fd.name = /etc/d")
    assert [[one.dimension.value for one in clause.constraints] for clause in found] == [["leaf", "directory", "path"], ["directory", "above", "path"]]


def test_exactness():
    """A clause is exact when the kernel tests the whole condition."""
    found, _ = clauses("fd.num>=0 and proc.name = a", "fd.num>=0 and proc.cmdline contains a")
    assert [clause.exact for clause in found] == [True, False]


def test_rules_that_want_the_same_share_a_bit():
    """Unless their lanes differ."""
    found, warning = clauses("proc.name = a", "proc.name = a")
    assert [clause.rules for clause in found] == [("r0", "r1")]
    assert warning == ""
    mixed, _ = assign("open", [RuleTerms("low", False, terms("proc.name = a")), RuleTerms("high", True, terms("proc.name = a"))])
    assert [(clause.rules, clause.high) for clause in mixed] == [(("low",), False), (("high",), True)]


def test_more_clauses_than_bits_are_widened_and_said():
    """Clauses of like dimensions share; every rule keeps a bit for what it wants."""
    texts = [f"proc.name = n{at} and fd.name = /d{at}/f{at}" for at in range(100)] + [f"fd.filename = f{at}" for at in range(3)]
    found, warning = clauses(*texts, bits=20)
    assert len(found) == 20
    assert "103 clauses" in warning
    for at in range(100):
        bits = survivors(found, make_event("open", comm=f"n{at}", path=f"/d{at}/f{at}"))
        assert any(f"r{at}" in clause.rules for bit, clause in enumerate(found) if bits >> bit & 1)


def test_unlike_clauses_share_when_nothing_else_is_left():
    """Even then no rule loses its bit."""
    found, _ = clauses("proc.name = a", "proc.pname = b", "fd.filename = c", bits=2)
    assert len(found) == 2
    assert {name for clause in found for name in clause.rules} == {"r0", "r1", "r2"}


def test_a_condition_that_explodes_is_bounded():
    """A product of sums has few terms and still holds where the condition does."""
    sums = " and ".join(f"(proc.name = a{at} or proc.pname = b{at} or fd.filename = c{at} or proc.tty = {at % 2})" for at in range(20))
    assert 0 < len(terms(sums)) <= MAX_TERMS


def test_order_is_the_order_of_the_stages():
    """Constraints come cheapest first, and the same rules give the same clauses."""
    (clause,) = clauses("fd.name = /etc/x and proc.name = a and fd.num>=0 and container.id != host")[0]
    assert [one.dimension.value for one in clause.constraints] == ["outcome", "leaf", "profile", "comm", "directory", "path"]
