# SPDX-License-Identifier: Apache-2.0
"""
The kernel's classification, computed again from a frame: a model in plain Python.

Property tests hold the rule compiler to it, and a replay uses it instead of
the recorded bits. It knows what the frame tells. Where the kernel knows less
at the moment of the look-up (a mount's root has no name above it, a cgroup is
not in the table yet) it keeps every clause, so its bits contain these.
"""

from __future__ import annotations

import errno
import os
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from sensor.events.common import FrameFlag
from sensor.events.dimensions import Dimension, Outcome, Profile
from sensor.rulelang.getters import AF_INET, AF_INET6, MAPPED, O_PATH, plain_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.events.dimensions import Clause, Constraint


class _Unknown:
    """The outcome of a look-up that keeps every clause."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()

_CUT = {"open": FrameFlag.PATH_CUT, "exec": FrameFlag.EXE_CUT}
_CREATION_UNSURE = FrameFlag.CREATION_UNSURE | FrameFlag.FLAGS_UNSURE
_ASKED_UNKNOWN = FrameFlag.ASKED_CUT | FrameFlag.ASKED_FAULTED
_CREATION = ((os.O_CREAT, 1), (os.O_TRUNC, 2), (os.O_EXCL, 4), (os.O_APPEND, 8))


def dimension_values(event: Any, path: bytes | None = None) -> dict[Dimension, Any]:
    """
    Return the value of every dimension that *event*'s kind has.

    Args:
        event: a decoded event with its workload.
        path: classify this path instead of the event's own: its other view (`views`).

    Returns:
        `UNKNOWN` for a value that keeps every clause, None for one that the act
        does not have (a Unix socket's port). FAMILY is a frozenset (an
        IPv4-mapped peer is in both), ADDRESS a 128-bit number, PATH bytes.
    """
    kind = event.kind_name
    values: dict[Dimension, Any] = {
        Dimension.OUTCOME: _outcome(event),
        Dimension.TTY: 1 if event.tty_dev else 0,
        Dimension.PROFILE: UNKNOWN if event.workload.profile == Profile.UNKNOWN else event.workload.profile,
        Dimension.UID: event.euid,
        Dimension.COMM: event.comm,
        Dimension.PCOMM: event.pcomm,
    }
    if kind in ("open", "connect"):
        slash, leaf = event.exe_path.rpartition(b"/")[1:]
        values[Dimension.EXE] = leaf if slash else UNKNOWN
    if kind == "connect":
        return values | _peer(event)
    if kind == "open":
        flags = event.open_flags
        values[Dimension.ACCESS] = UNKNOWN if event.flags & FrameFlag.FLAGS_UNSURE else 3 if flags & O_PATH else flags & 3
        values[Dimension.CREATION] = UNKNOWN if event.flags & _CREATION_UNSURE else sum(bit for flag, bit in _CREATION if flags & flag)
        values[Dimension.DOTDOT] = UNKNOWN if event.flags & _ASKED_UNKNOWN else int(b".." in event.asked)  # as may_have_dotdot() in bpf/probes/open.c
    if kind in _CUT:
        values |= _names(event, path)
    return values


def _outcome(event: Any) -> Outcome:
    under_way = event.kind_name == "connect" and event.ret == -errno.EINPROGRESS
    return Outcome.FAILED if event.ret < 0 and not under_way else Outcome.SUCCEEDED


def _peer(event: Any) -> dict[Dimension, Any]:
    if event.family not in (AF_INET, AF_INET6):
        return {Dimension.FAMILY: frozenset({event.family}), Dimension.PORT: None, Dimension.ADDRESS: None}
    families = {event.family, AF_INET} if event.daddr.startswith(MAPPED) else {event.family}
    return {Dimension.FAMILY: frozenset(families), Dimension.PORT: event.dport, Dimension.ADDRESS: int.from_bytes(event.daddr, "big")}


def _names(event: Any, path: bytes | None) -> dict[Dimension, Any]:
    """Return leaf, directory and path."""
    kind = event.kind_name
    text = path if path is not None else event.path if kind == "open" else event.exe_path
    out: dict[Dimension, Any] = {Dimension.LEAF: UNKNOWN, Dimension.DIRECTORY: UNKNOWN, Dimension.ABOVE: UNKNOWN, Dimension.PATH: UNKNOWN}
    if kind == "open" and event.ret < 0:
        if event.asked.startswith(b"/") and not event.flags & _ASKED_UNKNOWN and plain_path(event.asked) == event.asked:
            out[Dimension.PATH] = event.asked  # in the oldest form the kernel cannot tell, and keeps every clause
        return out
    if not text:
        return out
    above, slash, leaf = text.rpartition(b"/")
    if slash:
        out[Dimension.LEAF] = leaf  # of a root and of a pipe empty; one that is longer than constants may be is none of them
        upper, slash, directory = above.rpartition(b"/")
        if slash and directory:
            out[Dimension.DIRECTORY] = directory
            _, slash, name = upper.rpartition(b"/")
            if kind == "open" and slash and name:
                out[Dimension.ABOVE] = name
        elif not above and not event.flags & _CUT[kind]:
            out[Dimension.DIRECTORY] = b"/"
    if not event.flags & _CUT[kind]:
        out[Dimension.PATH] = text
    return out


def views(event: Any) -> tuple[bytes | None, ...]:
    """Return the paths under which *event* is to be classified: its own (None) and, for a bind or detached mount, the one inside the filesystem."""
    named = event.kind_name == "exec" or (event.kind_name == "open" and event.ret >= 0)  # a failed open reached no file
    if named and event.flags & FrameFlag.FS_PATH and event.fs_path:
        return (None, event.fs_path)
    return (None,)


def satisfied(constraint: Constraint, value: Any) -> bool:
    """Tell whether a dimension's value keeps a clause that has *constraint*."""
    if value is UNKNOWN:
        return True
    if value is None:
        return constraint.negated
    if constraint.dimension is Dimension.FAMILY:
        return any((family in constraint.values) != constraint.negated for family in value)
    return any(_among(constraint.dimension, value, one) for one in constraint.values) != constraint.negated


def _among(dimension: Dimension, value: Any, one: Any) -> bool:
    if dimension is Dimension.PATH:
        return bool(value == one.path if one.exact else value.startswith(one.path))
    if dimension is Dimension.ADDRESS:
        bits = one.prefixlen + (96 if isinstance(one, IPv4Network) else 0)
        network = int(one.network_address) | (0xFFFF << 32 if isinstance(one, IPv4Network) else 0)
        return bool(value >> (128 - bits) == network >> (128 - bits))
    return bool(value == one)


def survivors(clauses: Sequence[Clause], event: Any) -> int:
    """Return the bits of the *clauses* (of the event's kind) that the event keeps, clause 0 the lowest bit."""
    bits = 0
    for view in views(event):
        values = dimension_values(event, view)
        for at, clause in enumerate(clauses):
            if all(one.dimension not in values or satisfied(one, values[one.dimension]) for one in clause.constraints):
                bits |= 1 << at
    return bits
