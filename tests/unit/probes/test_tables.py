# SPDX-License-Identifier: Apache-2.0
"""Tables, case by case; that no satisfied clause is ever lost is in tests/properties/test_tables.py."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest

from sensor.core.errors import TableError
from sensor.events.dimensions import Clause, Constraint, Dimension, PathPattern, Profile
from sensor.probes import table_layout as layout
from sensor.probes.tables import address_key, build, name_key


def clauses(*constraints: Constraint | tuple[Constraint, ...], **kind: bool) -> list[Clause]:
    """A clause for each."""
    return [Clause(kind="open", constraints=one if isinstance(one, tuple) else (one,), rules=("r",), **kind) for one in constraints]


def is_(dimension: Dimension, *values) -> Constraint:
    """One of *values*."""
    return Constraint(dimension, values)


def not_(dimension: Dimension, *values) -> Constraint:
    """None of *values*."""
    return Constraint(dimension, values, negated=True)


def test_no_clause_is_no_bit():
    """Tables of no clause let nothing through."""
    tables = build([])
    assert set(tables.arrays) == {array.name for array in layout.ARRAYS}
    assert not any(any(masks) for masks in tables.arrays.values())
    assert (tables.names, tables.paths, tables.addresses) == ({}, {}, {})


def test_a_clause_without_constraints_is_kept_by_all():
    """Every value of every dimension keeps it, and it needs none."""
    tables = build(clauses(()))
    assert all(masks == [0] for name, masks in tables.arrays.items() if name.startswith(("needs_", "self_", "reserved")))
    assert all(mask == 1 for name, masks in tables.arrays.items() if not name.startswith(("needs_", "self_", "reserved")) for mask in masks)


@pytest.mark.parametrize(
    ("dimension", "value", "array", "positive", "negated"),
    [
        (Dimension.OUTCOME, 1, "outcome", [0, 1], [1, 0]),
        (Dimension.ACCESS, 2, "access", [0, 0, 1, 0], [1, 1, 0, 1]),
        (Dimension.DOTDOT, 1, "dotdot", [0, 1], [1, 1]),
        (Dimension.DOTDOT, 0, "dotdot", [1, 1], [0, 1]),
        (Dimension.TTY, 1, "tty", [0, 1], [1, 0]),
        (Dimension.PROFILE, Profile.CONTAINER, "profile", [1, 0, 1, 1], [1, 1, 0, 1]),
        (Dimension.FAMILY, 2, "family", [0, 0, 1, 0, 1], [1, 1, 0, 1, 1]),
        (Dimension.FAMILY, 10, "family", [0, 0, 0, 1, 1], [1, 1, 1, 0, 1]),
        (Dimension.FAMILY, 1, "family", [0, 1, 0, 0, 0], [1, 0, 1, 1, 1]),
        (Dimension.FAMILY, 16, "family", [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]),
    ],
)
def test_small_values_have_a_mask_each(dimension, value, array, positive, negated):
    """An index keeps what any of its meanings satisfies; unknown keeps all."""
    assert build(clauses(is_(dimension, value))).arrays[array] == positive
    assert build(clauses(not_(dimension, value))).arrays[array] == negated
    assert build(clauses(is_(dimension, value))).arrays[f"needs_{dimension.value}"] == [1]


def test_creation_is_by_all_four_bits():
    """The values are whole sums."""
    assert build(clauses(is_(Dimension.CREATION, 1, 3))).arrays["creation"] == [int(sum_ in (1, 3)) for sum_ in range(16)]


def test_names_have_an_entry_a_print_and_a_default():
    """A name's entry is exact; its print holds every name that falls there; others have the default."""
    tables = build(clauses(is_(Dimension.LEAF, b"a", b"b"), not_(Dimension.LEAF, b"a"), is_(Dimension.COMM, b"a")))
    assert tables.names[name_key(Dimension.LEAF, b"a")] == 0b101
    assert tables.names[name_key(Dimension.LEAF, b"b")] == 0b111
    assert tables.names[name_key(Dimension.COMM, b"a")] == 0b111
    assert tables.arrays["other_leaf"] == [0b110]
    assert tables.arrays["other_comm"] == [0b011]
    prints = tables.arrays["leaf_print"]
    assert prints[layout.name_print(b"a", 10)] == 0b111
    assert prints.count(0b110) == 1024 - len({layout.name_print(name, 10) for name in (b"a", b"b")})


@pytest.mark.parametrize("dimension", [Dimension.LEAF, Dimension.DIRECTORY, Dimension.COMM, Dimension.PCOMM])
@pytest.mark.parametrize("value", [b"", b"n" * 40, b"a\0b"])
def test_a_name_that_cannot_be_held_is_no_constraint(dimension, value):
    """Positive or negated, the clause is then wider; the good name beside it does not narrow it."""
    tables = build(clauses(is_(dimension, b"good", value), not_(dimension, value)))
    assert tables.arrays[f"needs_{dimension.value}"] == [0]
    assert tables.arrays[f"other_{dimension.value}"] == [0b11]
    assert tables.names == {}


def test_paths_inherit_what_shorter_ones_give():
    """A longer pattern's mask has the clauses of every prefix above it, and a negated clause loses its bit below its prefix."""
    tables = build(
        clauses(
            is_(Dimension.PATH, PathPattern(b"/etc/", exact=False)),
            is_(Dimension.PATH, PathPattern(b"/etc/shadow", exact=True)),
            not_(Dimension.PATH, PathPattern(b"/etc/sh", exact=False)),
            (),
        )
    )
    assert tables.paths == {b"/etc/": 0b1101, b"/etc/sh": 0b1001, b"/etc/shadow\0": 0b1011}
    assert tables.arrays["other_path"] == [0b1100]


def test_a_long_pattern_is_cut_and_a_long_negated_one_left_out():
    """Positive: a prefix of 127 bytes. Negated: no constraint."""
    long = b"/" + b"x" * 200
    tables = build(clauses(is_(Dimension.PATH, PathPattern(long, exact=True)), not_(Dimension.PATH, PathPattern(long, exact=True))))
    assert tables.paths == {long[:127]: 0b11}
    assert tables.arrays["other_path"] == [0b10]
    assert tables.arrays["needs_path"] == [0b01]
    assert build(clauses(is_(Dimension.PATH, PathPattern(long[:127], exact=True)))).paths == {long[:127] + b"\0": 1}


def test_address_keys():
    """IPv4 lies below ::ffff:0:0/96."""
    assert address_key(IPv4Network("10.0.0.0/8")) == (104, bytes(10) + b"\xff\xff\x0a\0\0\0")
    assert address_key(IPv6Network("fd00::/8")) == (8, b"\xfd" + bytes(15))


def test_first_bytes_of_addresses():
    """The first byte decides for most peers, for either family by itself."""
    tables = build(clauses(*(is_(Dimension.ADDRESS, network) for network in (IPv4Network("10.0.0.0/8"), IPv6Network("fc00::/7"), IPv6Network("::/0")))))
    assert [octet for octet in range(256) if tables.arrays["octet4"][octet] & 1] == [10]
    assert [octet for octet in range(256) if tables.arrays["octet6"][octet] & 1] == []
    assert [octet for octet in range(256) if tables.arrays["octet6"][octet] & 2] == [0xFC, 0xFD]
    assert all(mask & 4 for mask in (*tables.arrays["octet4"], *tables.arrays["octet6"]))


def test_an_address_or_a_port_asks_for_an_internet_peer():
    """Neither a Unix socket nor another family satisfies them, but their negation."""
    tables = build(clauses(is_(Dimension.PORT, 22), is_(Dimension.ADDRESS, IPv4Network("10.0.0.0/8")), not_(Dimension.PORT, 22)))
    assert tables.arrays["family"] == [0b100, 0b100, 0b111, 0b111, 0b111]


def test_lanes_and_canaries():
    """Only what is high and exact is reserved; the canaries' mask is the sensor's own."""
    both = clauses((), high=True, exact=True)
    tables = build([*clauses((), high=True), *both, *clauses((), exact=True)], canaries=0b110)
    assert tables.arrays["reserved"] == [0b010]
    assert tables.arrays["self_"] == [0b110]


def test_the_block_has_the_generation_in_front():
    """A generation beyond 32 bits wraps."""
    assert build([]).block(0x1_0000_0007)[:8] == bytes([7, 0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([()] * 257, "257 clauses, the kernel has bits for 256"),
        ([(is_(Dimension.LEAF, b"a"), not_(Dimension.LEAF, b"b"))], "two constraints on leaf"),
        ([is_(Dimension.COMM, *(b"c%d" % number for number in range(3000)))], "3000 names, the kernel's table is meant for 2048"),
        ([is_(Dimension.PATH, *(PathPattern(b"/%d" % number, exact=True) for number in range(5000)))], r"5000 path patterns, .* meant for 4096"),
        ([is_(Dimension.ADDRESS, *(IPv4Network(number) for number in range(5000)))], "5000 addresses, the kernel's table is meant for 4096"),
    ],
)
def test_what_the_kernel_has_no_room_for(given, words):
    """It is refused with the figures, before anything is written."""
    with pytest.raises(TableError, match=words):
        build(clauses(*given))
