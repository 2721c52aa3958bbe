# SPDX-License-Identifier: Apache-2.0
"""
The law of the tables: an act that satisfies a clause keeps the clause's bit.

The look-ups below are those of bpf/prelude/classify.c, bpf/probes/open.c and
connect.c, in Python: prints first, then exact names, tries by longest prefix.
The judge knows nothing of tables. Where the kernel holds a constraint exactly,
the bit is also gone when the constraint does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from sensor.events.dimensions import NAME_BYTES, PATTERN_BYTES, Clause, Constraint, Dimension, PathPattern, Profile
from sensor.probes import table_layout as layout
from sensor.probes.tables import KindTables, address_key, build, name_key

ALL = (1 << 256) - 1
AF_UNIX, AF_INET, AF_INET6, OTHER = 1, 2, 10, 16
COMM_BYTES = 15


@dataclass(frozen=True)
class Open:
    """A successful open, or a failed one, whose file has no name."""

    fails: bool
    access: int
    creation: int
    dotdot: bool
    tty: bool
    path: bytes
    profile: Profile
    comm: bytes
    pcomm: bytes

    @property
    def leaf(self) -> bytes:
        return self.path.rsplit(b"/", 2)[2]

    @property
    def directory(self) -> bytes:
        return self.path.rsplit(b"/", 2)[1]

    @property
    def above(self) -> bytes:
        return (self.path.rsplit(b"/", 3)[-3:-2] or [b""])[0]

    def values(self) -> dict[Dimension, Any]:
        """What is true; None where it is not known."""
        known = not self.fails
        return {
            Dimension.OUTCOME: int(self.fails),
            Dimension.ACCESS: self.access if known else None,
            Dimension.CREATION: self.creation,
            Dimension.DOTDOT: int(self.dotdot),
            Dimension.TTY: int(self.tty),
            Dimension.LEAF: self.leaf if known else None,
            Dimension.DIRECTORY: self.directory if known else None,
            Dimension.ABOVE: (self.above or None) if known else None,
            Dimension.PROFILE: None if self.profile is Profile.UNKNOWN else self.profile,
            Dimension.COMM: self.comm,
            Dimension.PCOMM: self.pcomm,
            Dimension.PATH: self.path,
        }


@dataclass(frozen=True)
class Connect:
    """A connect to a peer; an address of None is a Unix socket's or another family's."""

    fails: bool
    family: int
    address: IPv4Address | IPv6Address | None
    port: int

    @property
    def packed(self) -> bytes:
        return bytes(10) + b"\xff\xff" + self.address.packed if self.address.version == 4 else self.address.packed

    @property
    def is_mapped(self) -> bool:
        return self.packed.startswith(bytes(10) + b"\xff\xff")


def holds(constraint: Constraint, values: dict[Dimension, Any]) -> bool:
    """Whether the act satisfies the constraint; what is not known satisfies all."""
    value = values[constraint.dimension]
    if value is None:
        return True
    if constraint.dimension is Dimension.PATH:
        found = any(value == one.path if one.exact else value.startswith(one.path) for one in constraint.values)
    else:
        found = value in constraint.values
    return found != constraint.negated


def named(tables: KindTables, dimension: Dimension, value: bytes | int) -> int:
    """keep_named()."""
    return tables.names.get(name_key(dimension, value), tables.arrays[f"other_{dimension.value}"][0])


def look_up_open(tables: KindTables, act: Open) -> int:
    """on_open() and what it calls, for the form that can scan for points."""
    arrays = tables.arrays
    mask = arrays["outcome"][act.fails] & arrays["creation"][act.creation] & arrays["dotdot"][act.dotdot] & arrays["tty"][act.tty]
    if not act.fails:
        mask &= arrays["access"][act.access]
        mask &= arrays["leaf_print"][layout.name_print(act.leaf, layout.PRINT_BITS["leaf_print"])]
        mask &= arrays["directory_print"][layout.name_print(act.directory, layout.PRINT_BITS["directory_print"])]
        if len(act.directory) <= NAME_BYTES:
            mask &= named(tables, Dimension.DIRECTORY, act.directory)
        mask &= arrays["above_print"][layout.name_print(act.above, layout.PRINT_BITS["above_print"])] if act.above else (1 << 256) - 1
        if len(act.leaf) <= NAME_BYTES:
            mask &= named(tables, Dimension.LEAF, act.leaf)
    if act.profile is not Profile.UNKNOWN:
        mask &= arrays["profile"][act.profile]
    mask &= named(tables, Dimension.COMM, act.comm) & named(tables, Dimension.PCOMM, act.pcomm)
    key = act.path[:PATTERN_BYTES] + b"\0"
    found = max((pattern for pattern in tables.paths if key.startswith(pattern)), key=len, default=None)
    return mask & (arrays["other_path"][0] if found is None else tables.paths[found])


def look_up_connect(tables: KindTables, act: Connect) -> int:
    """keep_peer()."""
    arrays = tables.arrays
    mask = arrays["outcome"][act.fails]
    if act.address is None:
        return mask & arrays["family"][act.family == AF_UNIX]
    mask &= arrays["family"][2 if act.family == AF_INET else 4 if act.is_mapped else 3]
    mask &= arrays["octet4"][act.packed[12]] if act.is_mapped else arrays["octet6"][act.packed[0]]
    mask &= arrays["port_print"][act.port & 0xFF] & named(tables, Dimension.PORT, act.port)
    number = int.from_bytes(act.packed, "big")
    matching = [(bits, key) for bits, key in tables.addresses if number >> (128 - bits) == int.from_bytes(key, "big") >> (128 - bits)]
    return mask & (tables.addresses[max(matching)] if matching else arrays["other_address"][0])


components = st.sampled_from([b"etc", b"shadow", b"s", b"shadows", b"12345678", b"123456789", b"n" * 31, b"n" * 32, b"d" * 60, b"\xff\x01"])
file_paths = st.lists(components, min_size=2, max_size=5).map(lambda names: b"/" + b"/".join(names))
comms = st.sampled_from([b"cat", b"ca", b"sh", b"x" * 15, b"y"])
opens = st.builds(
    Open,
    fails=st.booleans(),
    access=st.integers(0, 3),
    creation=st.integers(0, 15),
    dotdot=st.booleans(),
    tty=st.booleans(),
    path=file_paths,
    profile=st.sampled_from(Profile),
    comm=comms,
    pcomm=comms,
)
patterns = st.builds(PathPattern, path=st.one_of(file_paths, st.builds(lambda path, end: path[:end], file_paths, st.integers(0, 140))), exact=st.booleans())
OPEN_VALUES = {
    Dimension.OUTCOME: st.integers(0, 1),
    Dimension.ACCESS: st.integers(0, 3),
    Dimension.CREATION: st.integers(0, 15),
    Dimension.DOTDOT: st.integers(0, 1),
    Dimension.TTY: st.integers(0, 1),
    Dimension.LEAF: components,
    Dimension.DIRECTORY: components,
    Dimension.ABOVE: components,
    Dimension.PROFILE: st.sampled_from(Profile),
    Dimension.COMM: st.one_of(comms, st.just(b"z" * 20)),
    Dimension.PCOMM: comms,
    Dimension.PATH: patterns,
}
networks = st.one_of(
    st.builds(lambda number, bits: IPv4Network((number, bits), strict=False), st.sampled_from([0x7F000001, 0x0A000001, 0x0A0000FF, 0]), st.integers(0, 32)),
    st.builds(
        lambda number, bits: IPv6Network((number, bits), strict=False),
        st.sampled_from([1, 0xFD << 120 | 5, 0xFE80 << 112, 0xFFFF << 32 | 0x7F000001, 0xFFFF << 32 | 0x0A000001]),
        st.integers(0, 128),
    ),
)
CONNECT_VALUES = {
    Dimension.OUTCOME: st.integers(0, 1),
    Dimension.FAMILY: st.sampled_from([AF_UNIX, AF_INET, AF_INET6, OTHER]),
    Dimension.PORT: st.sampled_from([0, 53, 443, 443 ^ 0x100, 65535]),
    Dimension.ADDRESS: networks,
}


def clauses_of(kind: str, values: dict[Dimension, st.SearchStrategy]) -> st.SearchStrategy[list[Clause]]:
    """A few clauses, each with at most one constraint on a dimension."""
    constraints = [st.builds(Constraint, st.just(d), st.lists(v, min_size=1, max_size=3, unique=True).map(tuple), st.booleans()) for d, v in values.items()]
    clause = st.lists(st.one_of(constraints), max_size=4, unique_by=lambda constraint: constraint.dimension)
    return st.lists(clause.map(lambda some: Clause(kind=kind, constraints=tuple(some), rules=("r",))), min_size=1, max_size=12)


def fits(constraint: Constraint) -> bool:
    """Whether the kernel holds the constraint exactly."""
    if constraint.dimension in {Dimension.LEAF, Dimension.DIRECTORY}:
        return all(len(value) <= NAME_BYTES for value in constraint.values)
    if constraint.dimension in {Dimension.COMM, Dimension.PCOMM}:
        return all(len(value) <= COMM_BYTES for value in constraint.values)
    if constraint.dimension is Dimension.PATH:
        return all(len(value.path) < PATTERN_BYTES for value in constraint.values)
    return constraint.dimension not in {Dimension.DOTDOT, Dimension.ABOVE}


@given(clauses=clauses_of("open", OPEN_VALUES), acts=st.lists(opens, min_size=1, max_size=6))
def test_no_open_loses_a_clause_that_it_satisfies(clauses, acts):
    """Satisfied means kept; and where every constraint fits the tables and the name, not satisfied means dropped."""
    tables = build(clauses)
    for act in acts:
        values, mask = act.values(), look_up_open(tables, act)
        for bit, clause in enumerate(clauses):
            if all(holds(constraint, values) for constraint in clause.constraints):
                assert mask >> bit & 1, (act, clause)
            elif all(fits(constraint) for constraint in clause.constraints) and max(len(act.leaf), len(act.directory)) <= NAME_BYTES:
                assert not mask >> bit & 1, (act, clause)


def peer_holds(constraint: Constraint, act: Connect) -> bool:
    """Whether the peer satisfies the constraint; a mapped peer is of both families, a Unix peer has neither address nor port."""
    if constraint.dimension is Dimension.OUTCOME:
        return (int(act.fails) in constraint.values) != constraint.negated
    if constraint.dimension is Dimension.FAMILY:
        families = {act.family, AF_INET} if act.address is not None and act.family == AF_INET6 and act.is_mapped else {act.family}
        return any((family in constraint.values) != constraint.negated for family in families)
    if act.address is None:
        return constraint.negated
    if constraint.dimension is Dimension.PORT:
        return (act.port in constraint.values) != constraint.negated
    number = int.from_bytes(act.packed, "big")
    found = False
    for network in constraint.values:
        bits, key = address_key(network)
        found |= number >> (128 - bits) == int.from_bytes(key, "big") >> (128 - bits)
    return found != constraint.negated


peers = st.one_of(
    st.builds(Connect, fails=st.booleans(), family=st.sampled_from([AF_UNIX, OTHER]), address=st.none(), port=st.just(0)),
    st.builds(
        Connect,
        fails=st.booleans(),
        family=st.just(AF_INET),
        address=st.sampled_from([0x7F000001, 0x0A000001, 0x0A0000FE, 0]).map(IPv4Address),
        port=st.sampled_from([0, 53, 443, 443 ^ 0x100, 65535]),
    ),
    st.builds(
        Connect,
        fails=st.booleans(),
        family=st.just(AF_INET6),
        address=st.sampled_from([1, 0xFD << 120 | 5, 0xFE80 << 112 | 9, 0xFFFF << 32 | 0x7F000001]).map(IPv6Address),
        port=st.sampled_from([0, 53, 443, 443 ^ 0x100, 65535]),
    ),
)


@given(clauses=clauses_of("connect", CONNECT_VALUES), acts=st.lists(peers, min_size=1, max_size=6))
@example(
    clauses=[Clause(kind="connect", constraints=(Constraint(Dimension.ADDRESS, (IPv6Network("::/90"),)),), rules=("r",))],
    acts=[Connect(fails=False, family=AF_INET, address=IPv4Address("10.0.0.1"), port=1)],
)
def test_no_connect_loses_a_clause_that_it_satisfies(clauses, acts):
    """Satisfied means kept, not satisfied means dropped: all is exact but for families that share one index."""
    tables = build(clauses)
    for act in acts:
        mask = look_up_connect(tables, act)
        satisfied = sum(1 << bit for bit, clause in enumerate(clauses) if all(peer_holds(constraint, act) for constraint in clause.constraints))
        assert mask & satisfied == satisfied, (act, clauses)
        assert mask == satisfied or act.family == OTHER, (act, clauses)


@given(clauses=clauses_of("open", OPEN_VALUES), generation=st.integers(0, 2**33))
def test_the_block_is_what_the_kernel_expects(clauses, generation):
    """Every array lies where the header says, as 256-bit little-endian masks, and no bit stands for a clause that is not there."""
    tables = build(clauses)
    block = tables.block(generation)
    assert len(block) == layout.BLOCK_BYTES
    for array in layout.ARRAYS:
        at = layout.array_at(array.name)
        masks = [int.from_bytes(block[at + 32 * place : at + 32 * place + 32], "little") for place in range(array.size)]
        assert masks == tables.arrays[array.name]
        assert all(mask >> len(clauses) == 0 for mask in masks)


@given(name=st.binary(min_size=0, max_size=40), bits=st.sampled_from(sorted(layout.PRINT_BITS.values())))
def test_a_print_is_the_one_that_c_computes(name, bits):
    """The sum of bpf/include/masks.h with 64-bit arithmetic: the first eight bytes and the length, multiplied, the high bits."""
    assume(b"\0" not in name)
    word = int.from_bytes((name + bytes(8))[:8], "little")
    if len(name) < 8:
        word &= (1 << (8 * (len(name) & 7))) - 1
    expected = ((word + len(name) * layout.LENGTH_MULTIPLIER) & ALL >> 192) * layout.PRINT_MULTIPLIER & ALL >> 192
    assert layout.name_print(name, bits) == expected >> (64 - bits) < 1 << bits
