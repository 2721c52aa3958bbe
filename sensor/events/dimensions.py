# SPDX-License-Identifier: Apache-2.0
"""
What the kernel can test, before anything leaves it.

A clause (`sensor.rulelang.clauses`) is a conjunction of constraints on these
dimensions. A constraint holds when the act's value is among its values, or,
negated, when it is not. Every dimension has three outcomes: the value's entry,
the default for values nobody named, and *unknown*, which keeps every clause.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network


class Profile(IntEnum):
    """What kind of workload the cgroup is; an unlisted cgroup is UNKNOWN and keeps every clause."""

    UNKNOWN = 0
    HOST = 1
    CONTAINER = 2


class Outcome(IntEnum):
    """How the act ended."""

    SUCCEEDED = 0
    """It worked; for connect also -EINPROGRESS."""
    FAILED = 1


class Dimension(Enum):
    """
    One thing the kernel looks up; the value type of its constraints is in the comment.

    The order is the order of the stages in the kernel: cheapest first.
    """

    OUTCOME = "outcome"  # Outcome
    ACCESS = "access"  # open: accmode, 0 read only, 1 write only, 2 both, 3 neither (O_PATH and odd modes)
    FAMILY = "family"  # connect: AF_INET 2, AF_INET6 10, AF_UNIX 1; ::ffff:a.b.c.d is both 2 and 10
    PORT = "port"  # connect: int
    CREATION = "creation"  # open: bit set as an int, 1 O_CREAT, 2 O_TRUNC, 4 O_EXCL, 8 O_APPEND; the values are all sums that satisfy
    DOTDOT = "dotdot"  # 1 when what was asked has a ".." component, else 0
    TTY = "tty"  # 1 when the process has a controlling terminal, else 0
    LEAF = "leaf"  # bytes: last component of `path` (open; unknown after a failure) or of `exe_path` (exec), at most 31 bytes
    PROFILE = "profile"  # Profile
    UID = "uid"  # int: effective user id, initial user namespace
    COMM = "comm"  # bytes: comm, at most 15
    PCOMM = "pcomm"  # bytes: pcomm, at most 15
    EXE = "exe"  # bytes: last component of the running program's path (open, connect), at most 31 bytes
    DIRECTORY = "directory"  # bytes: name of the directory the leaf lies in, at most 31 bytes
    ABOVE = "above"  # open: bytes, name of the directory that DIRECTORY lies in, at most 31 bytes; looked up by its print alone
    ADDRESS = "address"  # connect: IPv4Network or IPv6Network (peer)
    PATH = "path"  # PathPattern: `path` (open), `exe_path` (exec, also a failed one: the image that goes on), `asked` of a failed open when absolute


NAME_BYTES = 31
"""Longest name a named dimension holds (LEAF, EXE, DIRECTORY); a longer constant is not a constraint and widens."""

PATTERN_BYTES = 127
"""Longest path pattern, in bytes; a longer one is cut to a prefix, which widens. Below 4.18 a look-up's key lies on the 512-byte stack."""


@dataclass(frozen=True, slots=True)
class PathPattern:
    """An exact path or the beginning of paths, as bytes, absolute."""

    path: bytes
    exact: bool


if TYPE_CHECKING:
    Value = int | bytes | PathPattern | IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Constraint:
    """*dimension*'s value is (or, *negated*, is not) one of *values*."""

    dimension: Dimension
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One conjunction for one event kind. Its bit is its place in `KindClauses.clauses`."""

    kind: str
    """Name of the event kind."""

    constraints: tuple[Constraint, ...]
    """All must hold; at most one per dimension."""

    rules: tuple[str, ...]
    """Names of the rules that become candidates when this clause survives."""

    exact: bool = False
    """The constraints are the whole condition: when they hold the rule matches."""

    high: bool = False
    """At least one of the rules has priority WARNING or above (it may use the reserved lane when also exact)."""


CLAUSE_BITS = 254
"""Clauses of rules per event kind: a mask has 256 bits, two are for the sensor's canaries. More share bits with like clauses, which widens."""

ROOMS: dict[str, tuple[frozenset[Dimension], int]] = {
    "names": (frozenset({Dimension.LEAF, Dimension.DIRECTORY, Dimension.COMM, Dimension.PCOMM, Dimension.PORT, Dimension.UID, Dimension.EXE}), 2_000),
    "path patterns": (frozenset({Dimension.PATH}), 4_000),
    "addresses": (frozenset({Dimension.ADDRESS}), 4_000),
}
"""Values that a kind's tables in the kernel have room for: about 1,000 rules of two names. Of more, `sensor.rulelang.room` gives up some."""
