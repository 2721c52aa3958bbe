# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.operators import BY_SYMBOL, OPERATORS, SYMBOLS, Operand, glob_ends, in_networks, pmatches
from sensor.rulelang.values import FieldType, Unknown, parse_network

TEXTS = (b"", b"/etc/shadow", b"/etc", b"shadow", b"/etc/x/shadow", b"\xff", b"10")


@pytest.mark.parametrize("operator", [one for one in OPERATORS if FieldType.TEXT in one.types and one.operand is not Operand.NONE], ids=lambda one: one.symbol)
def test_code_agrees_with_meaning(operator):
    """The expression that is generated gives what the row's test gives."""
    for value in TEXTS:
        for constant in (b"/etc", b"shadow", b"/etc/", b"10", b"*"):
            if operator.symbol == "regex" and constant == b"*":
                continue
            scope = {"v": value, "c": operator.prepare((constant,)), "pmatches": pmatches, "in_networks": in_networks}
            assert bool(eval(operator.code.format(v="v", c="c"), scope)) == operator.test(value, (constant,))


def test_longer_symbols_are_tried_first():
    """The parser never takes < for <=."""
    assert SYMBOLS.index("<=") < SYMBOLS.index("<")
    assert SYMBOLS.index("!=") < SYMBOLS.index("=")
    assert BY_SYMBOL["=="] is BY_SYMBOL["="]


def test_every_operator_is_documented():
    """The documentation is made from the table."""
    assert all(operator.doc and operator.types for operator in OPERATORS)


def test_addresses_lie_in_networks():
    """An IPv6 network that spans the mapped range takes IPv6 sockets only."""
    mapped = parse_network("10.0.0.1").network
    assert in_networks((False, mapped), (parse_network("10.0.0.0/8"),))
    assert not in_networks((False, mapped), (parse_network("::/0"),))
    assert in_networks((True, mapped), (parse_network("::/0"),))


@pytest.mark.parametrize(("symbol", "constant", "suffix", "may"), [
    ("=", b"/etc/shadow", b"/shadow", True), ("=", b"/etc/shadow", b"/passwd", False), ("in", b"/a", b"/x/a", False), ("endswith", b"/.ssh/id", b"h/id", True),
    ("endswith", b"/id", b"/x/id", True), ("endswith", b"/id", b"/x/y", False), ("startswith", b"/etc", b"/x", True), ("glob", b"/etc/*/id", b"/id", True),
    ("glob", b"/etc/*/id", b"/x", False), ("!=", b"/x", b"/x", True),
])  # fmt: skip
def test_what_an_unknown_value_may_be(symbol, constant, suffix, may):
    """A cut value passes unless its known end contradicts."""
    assert BY_SYMBOL[symbol].may(Unknown(suffix), (constant,)) == may


def test_the_ends_of_a_glob():
    """What every match begins and ends with."""
    assert glob_ends(b"/home/*/.ssh/id") == (b"/home/", b"/.ssh/id")
    assert glob_ends(b"/a") == (b"/a", b"/a")
    assert glob_ends(b"@(a|b)") == (b"", b"")
