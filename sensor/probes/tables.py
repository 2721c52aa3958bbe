# SPDX-License-Identifier: Apache-2.0
"""
Turn clauses into the bytes of one table generation.

The law (tests/properties): an act that satisfies a clause keeps the clause's
bit through every table. A table may keep too much, never too little:
a constraint that the kernel cannot hold exactly is left out when negated and
widened when positive. Installing is `sensor.probes.install`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from sensor.core.errors import TableError
from sensor.events.dimensions import NAME_BYTES, PATTERN_BYTES, Constraint, Dimension, PathPattern, Profile
from sensor.probes import table_layout as layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sensor.events.dimensions import Clause

_FAMILIES: tuple[tuple[int, ...], ...] = ((0,), (1,), (2,), (10,), (2, 10))
"""What each index of the array ``family`` stands for: other, unix, inet, inet6, IPv4-mapped (both)."""
_KNOWN_FAMILIES = frozenset({1, 2, 10})
"""Families with an index of their own; whoever names another cannot be held exactly."""
_NAMED_ROOM = NAME_BYTES + 1
_COMM_BYTES = 15
_NUMBER_BYTES = {Dimension.PORT: 2, Dimension.UID: 4}
_V4_PREFIX = bytes(10) + b"\xff\xff"
_OCTET_BITS = 8


@dataclass(slots=True)
class KindTables:
    """The tables of one event kind: bytes as the kernel's maps take them, masks as ints."""

    arrays: dict[str, list[int]] = field(default_factory=dict)
    names: dict[bytes, int] = field(default_factory=dict)
    """Key of the map ``names`` → mask."""
    paths: dict[bytes, int] = field(default_factory=dict)
    """Pattern (an exact one ends in NUL) → mask, what shorter patterns give included."""
    addresses: dict[tuple[int, bytes], int] = field(default_factory=dict)
    """(prefix bits, 16 bytes of address) → mask, shorter prefixes included."""

    def block(self, generation: int) -> bytes:
        """The value of the map ``tables``."""
        parts = [struct.pack("<II", generation & 0xFFFFFFFF, 0)]
        for array in layout.ARRAYS:
            parts += [mask.to_bytes(layout.MASK_BYTES, "little") for mask in self.arrays[array.name]]
        return b"".join(parts)


def name_key(dimension: Dimension, value: bytes | int) -> bytes:
    """Key of the map ``names``: the dimension's place, then the name, padded with NULs; a port is two bytes and a user four, low first."""
    name = value.to_bytes(_NUMBER_BYTES[dimension], "little") if isinstance(value, int) else value
    return struct.pack("<I", layout.NAMED.index(dimension)) + name.ljust(_NAMED_ROOM, b"\0")


def address_key(network: IPv4Network | IPv6Network) -> tuple[int, bytes]:
    """(prefix bits, address) with IPv4 as ::ffff:a.b.c.d."""
    if isinstance(network, IPv4Network):
        return 96 + network.prefixlen, _V4_PREFIX + network.network_address.packed
    return network.prefixlen, network.network_address.packed


def _usable(constraint: Constraint) -> bool:
    """Whether the kernel can hold the constraint; one it cannot is as if it were not there."""
    if constraint.dimension in {Dimension.LEAF, Dimension.DIRECTORY, Dimension.ABOVE, Dimension.EXE}:
        return all(isinstance(value, bytes) and 0 < len(value) <= NAME_BYTES and b"\0" not in value for value in constraint.values)
    if constraint.dimension in {Dimension.COMM, Dimension.PCOMM}:
        return all(isinstance(value, bytes) and 0 < len(value) <= _COMM_BYTES and b"\0" not in value for value in constraint.values)
    if constraint.dimension is Dimension.UID:
        return all(isinstance(value, int) and 0 <= value < 1 << 32 for value in constraint.values)
    if constraint.dimension is Dimension.PATH and constraint.negated:
        return all(isinstance(value, PathPattern) and len(value.path) < PATTERN_BYTES and b"\0" not in value.path for value in constraint.values)
    return True


@dataclass(frozen=True, slots=True)
class _Column:
    """One dimension over all clauses: who is free of it, and the constraints of the others."""

    free: int
    bound: tuple[tuple[int, Constraint], ...]

    @property
    def needs(self) -> int:
        return sum(1 << bit for bit, _ in self.bound)

    @property
    def other(self) -> int:
        """The mask of a value that nobody named."""
        return self.free | sum(1 << bit for bit, constraint in self.bound if constraint.negated)

    def satisfied(self, test: Callable[[Constraint], bool]) -> int:
        """The mask of a value, *test* saying whether a constraint names it."""
        return self.free | sum(1 << bit for bit, constraint in self.bound if test(constraint) != constraint.negated)


def _column(clauses: Sequence[Clause], dimension: Dimension) -> _Column:
    bound = [
        (bit, constraint)
        for bit, clause in enumerate(clauses)
        for constraint in clause.constraints
        if constraint.dimension is dimension and _usable(constraint)
    ]
    bits = {bit for bit, _ in bound}
    if len(bits) != len(bound):
        raise TableError(f"a clause has two constraints on {dimension.value}")
    return _Column(sum(1 << bit for bit in range(len(clauses)) if bit not in bits), tuple(bound))


def _direct(column: _Column, meanings: Iterable[tuple[int, ...]]) -> list[int]:
    """Masks by index; an index that may mean several values keeps what any of them satisfies."""
    masks = []
    for values in meanings:
        mask = 0
        for value in values:
            mask |= column.satisfied(lambda constraint, value=value: value in constraint.values)  # type: ignore[misc]
        masks.append(mask)
    return masks


def _named(tables: KindTables, column: _Column, dimension: Dimension) -> None:
    for value in {value for _, constraint in column.bound for value in constraint.values}:
        tables.names[name_key(dimension, value)] = column.satisfied(lambda constraint, value=value: value in constraint.values)  # type: ignore[misc, arg-type]


def _prints(column: _Column, size: int, place: Callable[[bytes | int], int]) -> list[int]:
    masks = [column.other] * size
    for bit, constraint in column.bound:
        if not constraint.negated:
            for value in constraint.values:
                masks[place(value)] |= 1 << bit  # type: ignore[arg-type]
    return masks


def _pattern(pattern: PathPattern) -> bytes:
    """The bytes of a trie's entry; too long a pattern becomes a prefix, which widens."""
    if len(pattern.path) > PATTERN_BYTES:
        return pattern.path[:PATTERN_BYTES]
    return pattern.path + b"\0" if pattern.exact else pattern.path


def _paths(column: _Column) -> dict[bytes, int]:
    clauses_of: dict[bytes, int] = {}
    for bit, constraint in column.bound:
        for value in constraint.values:
            key = _pattern(value)  # type: ignore[arg-type]
            clauses_of[key] = clauses_of.get(key, 0) | 1 << bit
    negated = sum(1 << bit for bit, constraint in column.bound if constraint.negated)
    masks = {}
    for key in clauses_of:
        named = 0
        for end in range(len(key) + 1):
            named |= clauses_of.get(key[:end], 0)
        masks[key] = column.free | (named & ~negated) | (negated & ~named)
    return masks


def _addresses(column: _Column) -> dict[tuple[int, bytes], int]:
    clauses_of: dict[tuple[int, bytes], int] = {}
    for bit, constraint in column.bound:
        for value in constraint.values:
            key = address_key(value)  # type: ignore[arg-type]
            clauses_of[key] = clauses_of.get(key, 0) | 1 << bit
    negated = sum(1 << bit for bit, constraint in column.bound if constraint.negated)
    masks = {}
    for bits, address in clauses_of:
        number = int.from_bytes(address, "big")
        named = 0
        for shorter in range(bits + 1):
            named |= clauses_of.get((shorter, (number >> (128 - shorter) << (128 - shorter)).to_bytes(16, "big")), 0)
        masks[bits, address] = column.free | (named & ~negated) | (negated & ~named)
    return masks


def _octets(column: _Column, *, mapped: bool) -> list[int]:
    """Masks by the first byte of an IPv4 (*mapped*) or IPv6 peer."""
    masks = [column.other] * 256
    start = 96 if mapped else 0
    for bit, constraint in column.bound:
        if constraint.negated:
            continue
        for value in constraint.values:
            bits, address = address_key(value)  # type: ignore[arg-type]
            if mapped and bits < start:
                first, last = (0, 255) if IPv6Network((address, bits)).supernet_of(IPv6Network("::ffff:0:0/96")) else (0, -1)
            elif address.startswith(_V4_PREFIX) != mapped:
                continue
            else:
                free = max(0, _OCTET_BITS - (bits - start))
                first = address[start // 8] >> free << free
                last = first + (1 << free) - 1
            for octet in range(first, last + 1):
                masks[octet] |= 1 << bit
    return masks


def build(clauses: Sequence[Clause], *, canaries: int = 0) -> KindTables:
    """
    Build the tables of one event kind.

    Args:
        clauses: their order is their bits; at most 256.
        canaries: mask of the clauses that the sensor's own acts may keep.

    Raises:
        TableError: too many clauses, patterns or names for the kernel's maps, or a malformed clause.
    """
    if len(clauses) > 8 * layout.MASK_BYTES:
        raise TableError(f"{len(clauses)} clauses, the kernel has bits for {8 * layout.MASK_BYTES}")
    tables = KindTables()
    columns = {dimension: _column(clauses, dimension) for dimension in Dimension}
    arrays = tables.arrays
    arrays["self_"] = [canaries]
    arrays["reserved"] = [sum(1 << bit for bit, clause in enumerate(clauses) if clause.high and clause.exact)]
    for dimension, column in columns.items():
        arrays[f"needs_{dimension.value}"] = [column.needs]
        if dimension in (*layout.NAMED, Dimension.PATH, Dimension.ADDRESS):
            arrays[f"other_{dimension.value}"] = [column.other]
        if dimension in layout.NAMED:
            _named(tables, column, dimension)
    arrays["outcome"] = _direct(columns[Dimension.OUTCOME], ((0,), (1,)))
    arrays["access"] = _direct(columns[Dimension.ACCESS], ((0,), (1,), (2,), (3,)))
    arrays["family"] = _direct(columns[Dimension.FAMILY], _FAMILIES)
    arrays["family"][0] |= sum(1 << bit for bit, constraint in columns[Dimension.FAMILY].bound if not _KNOWN_FAMILIES.issuperset(constraint.values))
    with_peer = sum({1 << bit for d in (Dimension.ADDRESS, Dimension.PORT) for bit, constraint in columns[d].bound if not constraint.negated})
    arrays["family"][:2] = [mask & ~with_peer for mask in arrays["family"][:2]]  # only inet has addresses and ports
    arrays["creation"] = _direct(columns[Dimension.CREATION], [(i,) for i in range(16)])
    arrays["dotdot"] = _direct(columns[Dimension.DOTDOT], ((0,), (0, 1)))
    arrays["tty"] = _direct(columns[Dimension.TTY], ((0,), (1,)))
    known = tuple(profile.value for profile in Profile)
    arrays["profile"] = _direct(columns[Dimension.PROFILE], (known, (Profile.HOST,), (Profile.CONTAINER,), known))
    for name, dimension in (("leaf_print", Dimension.LEAF), ("directory_print", Dimension.DIRECTORY), ("above_print", Dimension.ABOVE)):
        bits = layout.PRINT_BITS[name]
        arrays[name] = _prints(columns[dimension], 1 << bits, lambda value, bits=bits: layout.name_print(value, bits))  # type: ignore[misc]
    arrays["port_print"] = _prints(columns[Dimension.PORT], 256, lambda value: value & 0xFF)  # type: ignore[operator]
    arrays["octet4"] = _octets(columns[Dimension.ADDRESS], mapped=True)
    arrays["octet6"] = _octets(columns[Dimension.ADDRESS], mapped=False)
    tables.paths = _paths(columns[Dimension.PATH])
    tables.addresses = _addresses(columns[Dimension.ADDRESS])
    _check_room(tables)
    return tables


def _check_room(tables: KindTables) -> None:
    for what, count, room in (
        ("names", len(tables.names), layout.NAMES_MAX),
        ("path patterns", len(tables.paths), layout.PATHS_MAX),
        ("addresses", len(tables.addresses), layout.PATHS_MAX),
    ):
        if count > room // 2:
            raise TableError(f"{count} {what}, the kernel's table is meant for {room // 2}", hint="load fewer rules, or join their lists")
