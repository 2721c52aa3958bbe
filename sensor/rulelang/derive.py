# SPDX-License-Identifier: Apache-2.0
"""
What the kernel can know of one test: the constraints that follow from it.

Soundness is the law: whenever the test holds for an event, every constraint
given here holds for the event's dimension values
(`sensor.rulelang.dimensions_of`). What does not follow is left out, which
only widens. ``exact`` says that the converse holds too, unknown values apart.

A constraint that *excludes* must be exact to be used: it is derived from exact
constants only, and a constant that cannot be told apart is not excluded.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sensor.events.dimensions import NAME_BYTES, Dimension, Outcome, PathPattern, Profile
from sensor.rulelang import paths
from sensor.rulelang.getters import AF_INET, AF_INET6, AF_UNIX, MAPPED, O_PATH
from sensor.rulelang.interpret import passes
from sensor.rulelang.values import as_ip_network, spans_mapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sensor.rulelang.optimize import Literal

Sets = dict[Dimension, tuple[bool, frozenset[Any]]]
"""Per dimension: whether the values are excluded, and the values."""

EQUALITIES = frozenset({"=", "!=", "in", "intersects"})
IP_FAMILIES = frozenset({AF_INET, AF_INET6})
CREATION_BITS = {b"O_CREAT": 1, b"O_TRUNC": 2, b"O_EXCL": 4, b"O_APPEND": 8}
SMALL_USERS = 16
"""Users below this are listed where a rule compares by order."""
FAILURES = (*(-number for number in errno.errorcode), -4095)
"""Every errno that has a name, and the last (MAX_ERRNO, include/linux/err.h)."""


@dataclass(frozen=True, slots=True)
class Derived:
    """Constraints that a test implies."""

    sets: Sets
    exact: bool


NOTHING = Derived({}, exact=False)


def derive(literal: Literal, kind: str) -> Derived:
    """Return what follows from *literal* for events of *kind*."""
    leaf = literal.leaf
    if leaf.field.label != leaf.field.spec.name and leaf.field.spec.name != leaf.field.label.split("[")[0]:
        return NOTHING  # a transformer stands around the field
    if "[" in leaf.field.label or leaf.operator.symbol == "exists":
        return NOTHING
    if literal.negated and leaf.operator.symbol == "!=" and leaf.field.spec.missing:
        return NOTHING  # not (a != b) also holds where a is missing
    rule = _RULES.get((kind, leaf.field.spec.name)) or _RULES.get(("", leaf.field.spec.name))
    return rule(literal, kind) if rule else NOTHING


def _excludes(literal: Literal) -> bool:
    return literal.negated != (literal.leaf.operator.symbol == "!=")


def _holds(literal: Literal, sample: Any) -> bool:
    """Tell whether the test holds for an event of which only some members are there."""
    get = literal.leaf.field.get
    value = get(sample) if get else None
    if value is None:
        return literal.negated
    return passes(literal.leaf, value, literal.values) != literal.negated


def _enumerated(literal: Literal, dimension: Dimension, samples: Mapping[Any, Iterable[Any]]) -> Derived:
    """Try every value of a small dimension; *samples* are events that have it."""
    answers = {value: {_holds(literal, event) for event in events} for value, events in samples.items()}
    allowed = frozenset(value for value, seen in answers.items() if True in seen)
    exact = all(len(seen) == 1 for seen in answers.values())
    if len(allowed) == len(answers):
        return Derived({}, exact)
    return Derived({dimension: (False, allowed)}, exact)


def _numbers_near(literal: Literal) -> set[int]:
    constants = [value for value in literal.values if isinstance(value, int)]
    return {number for constant in constants for number in (constant - 1, constant, constant + 1)}


def _outcome(literal: Literal, kind: str) -> Derived:
    under_way = -errno.EINPROGRESS
    near = _numbers_near(literal)
    failures = {*FAILURES, -1, *(number for number in near if -4095 <= number < 0)}  # noqa: PLR2004  # MAX_ERRNO
    successes = {0, 1, 3, 2**31 - 1, *(number for number in near if 0 <= number < 2**31)}
    if kind == "connect":
        failures.discard(under_way)
        successes.add(under_way)
    rets = {Outcome.SUCCEEDED: successes, Outcome.FAILED: failures}
    samples = {outcome: [SimpleNamespace(kind_name=kind, ret=ret) for ret in sorted(some)] for outcome, some in rets.items()}
    return _enumerated(literal, Dimension.OUTCOME, samples)


def _access(literal: Literal, kind: str) -> Derived:
    flags = {0: (os.O_RDONLY,), 1: (os.O_WRONLY,), 2: (os.O_RDWR,), 3: (3, O_PATH, O_PATH | 1)}
    samples = {mode: [SimpleNamespace(kind_name=kind, open_flags=one, flags=0) for one in some] for mode, some in flags.items()}
    return _enumerated(literal, Dimension.ACCESS, samples)


def _flags(literal: Literal, _kind: str) -> Derived:
    if literal.leaf.operator.symbol != "contains" or literal.values[0] not in CREATION_BITS:
        return NOTHING
    bit = CREATION_BITS[literal.values[0]]
    return Derived({Dimension.CREATION: (False, frozenset(bits for bits in range(16) if bool(bits & bit) != literal.negated))}, exact=True)


def _created(literal: Literal, _kind: str) -> Derived:
    if literal.leaf.operator.symbol not in EQUALITIES or _excludes(literal) or literal.values != (True,):
        return NOTHING
    sets: Sets = {Dimension.CREATION: (False, frozenset(bits for bits in range(16) if bits & 1))}
    if literal.leaf.field.spec.name == "evt.is_open_create":
        sets[Dimension.OUTCOME] = (False, frozenset({Outcome.SUCCEEDED}))
    return Derived(sets, exact=False)


def _tty(literal: Literal, kind: str) -> Derived:
    some = {1, 4 << 20 | 1, 136 << 20, 2**32 - 1, *(number for number in _numbers_near(literal) if 0 < number < 2**32)}
    samples = {0: [SimpleNamespace(kind_name=kind, tty_dev=0)], 1: [SimpleNamespace(kind_name=kind, tty_dev=one) for one in sorted(some)]}
    return _enumerated(literal, Dimension.TTY, samples)


def _profile(literal: Literal, _kind: str) -> Derived:
    """On the host the field's text is "host"; of a container nothing is known but that it is another text."""
    on_host = passes(literal.leaf, b"host", literal.values) != literal.negated
    only_host = literal.leaf.operator.symbol in EQUALITIES and set(literal.values) <= {b"host"}
    in_container = _excludes(literal) if only_host else True
    if on_host and in_container:
        return NOTHING
    allowed = {Profile.HOST: on_host, Profile.CONTAINER: in_container}
    return Derived({Dimension.PROFILE: (False, frozenset(profile for profile, yes in allowed.items() if yes))}, exact=only_host)


def _uid(literal: Literal, kind: str) -> Derived:
    """Users are compared one by one; an order is that of the few smallest and the rest (user.uid > 0), or says nothing."""
    if literal.leaf.operator.symbol in EQUALITIES:
        users = frozenset(value for value in literal.values if 0 <= value < 2**32)
        excludes = _excludes(literal)
        return Derived({Dimension.UID: (excludes, users)} if users or not excludes else {}, exact=True)
    if max(_numbers_near(literal), default=SMALL_USERS) >= SMALL_USERS:
        return NOTHING
    holding = frozenset(uid for uid in range(SMALL_USERS) if _holds(literal, SimpleNamespace(kind_name=kind, euid=uid)))
    rest = _holds(literal, SimpleNamespace(kind_name=kind, euid=2**32 - 1))
    users = frozenset(range(SMALL_USERS)) - holding if rest else holding
    return Derived({Dimension.UID: (rest, users)} if users or not rest else {}, exact=True)


def _named(dimension: Dimension) -> Callable[[Literal, str], Derived]:
    def rule(literal: Literal, _kind: str) -> Derived:
        if literal.leaf.operator.symbol not in EQUALITIES:
            return NOTHING
        if not literal.leaf.field.spec.missing:
            return Derived({dimension: (_excludes(literal), frozenset(literal.values))}, exact=True)
        values = frozenset(value for value in literal.values if value)  # an empty name is a missing one
        return Derived({dimension: (_excludes(literal), values)}, exact=literal.leaf.operator.symbol != "!=" and len(values) == len(literal.values))

    return rule


def _port(literal: Literal, _kind: str) -> Derived:
    if literal.leaf.operator.symbol not in EQUALITIES:
        return NOTHING
    many = literal.leaf.field.many
    if not _excludes(literal):
        sets: Sets = {Dimension.FAMILY: (False, IP_FAMILIES)}
        if not many:
            sets[Dimension.PORT] = (False, frozenset(port for port in literal.values if 0 <= port < 2**16))
        return Derived(sets, exact=not many)
    out = frozenset(port for port in literal.values if 0 < port < 2**16)  # what has no port may show as port 0
    return Derived({Dimension.PORT: (True, out)} if out else {}, exact=False)


def _address(literal: Literal, _kind: str) -> Derived:
    if literal.leaf.operator.symbol not in EQUALITIES:
        return NOTHING
    networks = literal.values
    if not _excludes(literal):
        families = frozenset(AF_INET6 if one.v6_only else AF_INET for one in networks)
        if literal.leaf.field.many:  # the own address may be IPv4-mapped where the peer's, which the kernel asks, is not
            families = IP_FAMILIES
        sets: Sets = {Dimension.FAMILY: (False, families or IP_FAMILIES)}
        if not literal.leaf.field.many:
            sets[Dimension.ADDRESS] = (False, frozenset(as_ip_network(one) for one in networks))
        return Derived(sets, exact=not literal.leaf.field.many and not any(spans_mapped(one) for one in networks))
    out = frozenset(as_ip_network(one) for one in networks if not spans_mapped(one) and one.network)
    return Derived({Dimension.ADDRESS: (True, out)} if out else {}, exact=False)


_PEERS: dict[int, tuple[Any, ...]] = {
    AF_INET: (SimpleNamespace(kind_name="connect", family=AF_INET, daddr=MAPPED + bytes(4)),),
    AF_INET6: (
        SimpleNamespace(kind_name="connect", family=AF_INET6, daddr=bytes(16)),
        SimpleNamespace(kind_name="connect", family=AF_INET6, daddr=MAPPED + bytes(4)),
    ),
    AF_UNIX: (SimpleNamespace(kind_name="connect", family=AF_UNIX, daddr=bytes(16)),),
}


def _family(literal: Literal, _kind: str) -> Derived:
    if not literal.negated:
        plain = {family: events[:1] for family, events in _PEERS.items()}  # a mapped peer is in both families, so one of the plain ones holds too
        return Derived(_enumerated(literal, Dimension.FAMILY, plain).sets, exact=False)
    never = frozenset(family for family, events in _PEERS.items() if not any(_holds(literal, event) for event in events))
    return Derived({Dimension.FAMILY: (True, never)} if never else {}, exact=False)


def _protocol(literal: Literal, _kind: str) -> Derived:
    return NOTHING if literal.negated else Derived({Dimension.FAMILY: (False, IP_FAMILIES)}, exact=False)


def _socket_path(literal: Literal, _kind: str) -> Derived:
    """A Unix socket's name is the only one of a connect that can begin with a slash: saddr:sport->daddr:dport never does."""
    paths_only = all(isinstance(value, bytes) and value.startswith(b"/") for value in literal.values)
    if literal.leaf.operator.symbol not in {*EQUALITIES, "startswith", "pmatch"} or _excludes(literal) or not (literal.values and paths_only):
        return NOTHING
    return Derived({Dimension.FAMILY: (False, frozenset({AF_UNIX}))}, exact=False)


def _memfd(literal: Literal, _kind: str) -> Derived:
    """Nothing attached to the root lies there, so only what is detached, whose path is unknown or begins so, is kept."""
    if literal.leaf.operator.symbol not in EQUALITIES or _excludes(literal) or literal.values != (True,):
        return NOTHING
    return Derived({Dimension.PATH: (False, frozenset({PathPattern(b"/memfd:", exact=False)}))}, exact=False)


def _path(literal: Literal, _kind: str) -> Derived:
    sets, exact = paths.of_path(literal.leaf.operator.symbol, literal.values, excludes=_excludes(literal))
    return Derived(sets, exact)


def _program(literal: Literal, _kind: str) -> Derived:
    return NOTHING if _excludes(literal) else Derived(paths.of_program(literal.leaf.operator.symbol, literal.values), exact=False)


def _directory(literal: Literal, _kind: str) -> Derived:
    return NOTHING if _excludes(literal) else Derived(paths.of_directory(literal.leaf.operator.symbol, literal.values), exact=False)


def _filename(literal: Literal, _kind: str) -> Derived:
    names = frozenset(name for name in literal.values if isinstance(name, bytes) and 0 < len(name) <= NAME_BYTES and b"/" not in name)
    if literal.leaf.operator.symbol not in EQUALITIES or not names:
        return NOTHING
    whole = len(names) == len(literal.values)
    if not whole and not _excludes(literal):
        return NOTHING
    return Derived({Dimension.LEAF: (_excludes(literal), names)}, exact=whole)


def _asked(literal: Literal, _kind: str) -> Derived:
    symbol, value = literal.leaf.operator.symbol, literal.values[0] if literal.values else b""
    dotted = (symbol == "contains" and b"/../" in value) or (symbol == "startswith" and (value.startswith(b"../") or b"/../" in value))
    return Derived({Dimension.DOTDOT: (False, frozenset({1}))}, exact=False) if dotted and not literal.negated else NOTHING


_RULES: dict[tuple[str, str], Callable[[Literal, str], Derived]] = {
    **{("", name): _outcome for name in ("evt.failed", "evt.rawres", "evt.res")},
    ("open", "fd.num"): _outcome,
    **{("open", name): _access for name in ("evt.is_open_read", "evt.is_open_write")},
    ("open", "evt.arg.flags"): _flags,
    **{("open", name): _created for name in ("evt.is_open_create", "evt.is_open_exec")},
    ("", "proc.tty"): _tty,
    **{("", name): _profile for name in ("container.id", "container.full_id")},
    ("", "user.uid"): _uid,
    ("", "proc.name"): _named(Dimension.COMM),
    ("", "proc.pname"): _named(Dimension.PCOMM),
    **{("connect", name): _port for name in ("fd.rport", "fd.sport", "fd.port")},
    **{("connect", name): _address for name in ("fd.rip", "fd.sip", "fd.rnet", "fd.snet", "fd.ip", "fd.net")},
    **{("connect", name): _family for name in ("fd.typechar", "fd.type", "fd.sockfamily")},
    ("connect", "fd.l4proto"): _protocol,
    **{("open", name): _path for name in ("fd.name", "fs.path.name")},
    ("exec", "proc.exepath"): _path,
    ("exec", "proc.is_exe_from_memfd"): _memfd,
    ("connect", "fd.name"): _socket_path,
    **{(kind, "proc.exepath"): _program for kind in ("open", "connect")},
    ("open", "fd.directory"): _directory,
    ("open", "fd.filename"): _filename,
    **{("open", name): _asked for name in ("fd.nameraw", "fs.path.nameraw")},
}
"""By event kind ("" for any) and field."""
