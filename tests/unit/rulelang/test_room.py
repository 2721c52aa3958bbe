# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ipaddress import ip_network

import pytest

from sensor.events.dimensions import ROOMS, Clause, Constraint, Dimension, PathPattern
from sensor.probes import table_layout
from sensor.probes.tables import build
from sensor.rulelang.room import fitting


def clause(rule, *constraints, kind="open"):
    """A clause of one rule."""
    return Clause(kind=kind, constraints=constraints, rules=(rule,), exact=True)


def names(count, dimension=Dimension.COMM, prefix=b"n"):
    """So many names that nothing else has."""
    return Constraint(dimension, tuple(b"%s%d" % (prefix, at) for at in range(count)))


def test_what_fits_stays_as_it_is():
    """To the last name; values that two clauses share are one."""
    room = ROOMS["names"][1]
    clauses = (clause("a", names(room)), clause("b", names(room)))
    assert fitting("open", clauses) == (clauses, [])


def test_the_longest_constraint_is_given_up_first():
    """The clause is wider then, and not exact; the others are as they were."""
    small, large = clause("small", names(10)), clause("large", names(1_995, prefix=b"x"), Constraint(Dimension.TTY, (1,)))
    fitted, warnings = fitting("open", (small, large))
    assert fitted[0] == small
    assert fitted[1] == Clause(kind="open", constraints=(Constraint(Dimension.TTY, (1,)),), rules=("large",), exact=False)
    assert warnings == ["2005 names for open events, the kernel's table has room for 2000: more events than needed leave it for large"]


def test_tables_are_told_apart():
    """Each has its own room, and its own warning, which names a few rules."""
    paths = tuple(clause(f"p{at}", Constraint(Dimension.PATH, tuple(PathPattern(b"/%d/%d" % (at, one), exact=True) for one in range(900)))) for at in range(9))
    fitted, (warning,) = fitting("open", (*paths, clause("n", names(2_000))))
    assert sum(bool(one.constraints) for one in fitted) == 5
    assert warning.startswith("8100 path patterns for open events")
    assert warning.endswith("p0, p1, p2, 2 more")
    addresses = Constraint(Dimension.ADDRESS, tuple(ip_network(at) for at in range(5_000)), negated=True)
    (one,), (warning,) = fitting("connect", (clause("a", addresses, kind="connect"),))
    assert one.constraints == ()
    assert "addresses" in warning


@pytest.mark.parametrize("what", sorted(ROOMS))
def test_the_room_is_the_kernels(what):
    """As much as fits passes the tables' own check, which is for twice that; the dimensions are the tables'."""
    dimensions, room = ROOMS[what]
    assert room <= (table_layout.NAMES_MAX if what == "names" else table_layout.PATHS_MAX) // 2
    assert what != "names" or dimensions == frozenset(table_layout.NAMED)
    kind = "connect" if what == "addresses" else "open"
    values = {
        "names": names(room),
        "path patterns": Constraint(Dimension.PATH, tuple(PathPattern(b"/%d" % at, exact=True) for at in range(room))),
        "addresses": Constraint(Dimension.ADDRESS, tuple(ip_network(at) for at in range(room))),
    }[what]
    build(fitting(kind, (clause("r", values, kind=kind),))[0], canaries=0)
