# SPDX-License-Identifier: Apache-2.0
"""
Random conditions, over the words that the events they are for have.

The property tests take words of pretended events; the live tests take the names
of real files, processes and peers. `drawn` gives the same conditions each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.unit.rulelang.conditions import names

if TYPE_CHECKING:
    from collections.abc import Sequence

Drawn = TypeVar("Drawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the constants of conditions are chosen from; none has a quotation mark in it."""

    paths: Sequence[str]
    prefixes: Sequence[str]
    suffixes: Sequence[str]
    globs: Sequence[str]
    directories: Sequence[str]
    leaves: Sequence[str]
    comms: Sequence[str]
    addresses: Sequence[str]
    ports: Sequence[int]
    ids: Sequence[int]
    """Users and groups."""
    ttys: Sequence[int] = (0, 1, 34816)


RESULTS = ["SUCCESS", "ENOENT", "EACCES", "EINPROGRESS"]
FLAGS = ["O_CREAT", "O_TRUNC", "O_RDONLY", "O_EXCL", "O_WRONLY", "O_", "O_APPEND", "O_PATH"]
TRUTHS = tuple(
    f"{field} {op} {value}"
    for field in ("evt.failed", "evt.is_open_read", "evt.is_open_write", "evt.is_open_create", "evt.is_open_exec", "proc.is_exe_from_memfd")
    for op in ("=", "!=")
    for value in ("true", "false")
)
FIXED = (
    "proc.name = val(proc.pname)",
    "fd.name startswith val(proc.cwd)",
    "fd.lport != val(fd.rport)",
    "fd.rip = val(fd.lip)",
    "proc.aname anyof (sh, cat)",
    "proc.aname allof (sh, cat)",
    "proc.aname oneof (sh, cat)",
    "fd.net oneof (10.0.0.0/8)",
    'concat(fd.directory, "/", fd.filename) = /etc/shadow',
    'join(",", (proc.name, fd.rport)) contains ",80"',
    "evt.dir=<",
    "evt.dir=>",
    "evt.num=0",
    "evt.num>=0",
    "a_macro",
    "another_macro",
    "proc.name in (a_list)",
)

KNOWN = names({"a_macro": "evt.type in (open, openat) and fd.num>=0", "another_macro": "not a_macro or proc.name = sh"}, {"a_list": ("cat", "sh")})
"""The macros and the list that conditions use."""


def some(values):
    """Return a list operand of one to three values."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=3).map(lambda chosen: "(" + ", ".join(f'"{one}"' for one in chosen) + ")")


def one_of(values):
    """Return one quoted value."""
    return st.sampled_from(values).map(lambda value: f'"{value}"')


def texts_on(field, equal=None, prefix=None, suffix=None, globs=None):
    """Return tests of a text field."""
    choices = []
    if equal:
        choices += [st.tuples(st.sampled_from(["=", "!="]), one_of(equal)), st.tuples(st.sampled_from(["in", "intersects"]), some(equal))]
    if prefix:
        choices += [st.tuples(st.just("startswith"), one_of(prefix)), st.tuples(st.just("pmatch"), some(prefix))]
    if suffix:
        choices += [st.tuples(st.sampled_from(["endswith", "contains", "icontains"]), one_of(suffix))]
    if globs:
        choices += [st.tuples(st.sampled_from(["glob", "iglob"]), one_of(globs))]
    choices.append(st.just(("exists", "")))
    return st.one_of(choices).map(lambda pair: f"{field} {pair[0]} {pair[1]}")


def number_tests(field, numbers):
    """Return tests of a number."""
    comparisons = st.tuples(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.sampled_from(numbers))
    lists = st.tuples(st.just("in"), some(numbers).map(lambda text: text.replace('"', "")))
    return st.one_of(comparisons, comparisons, lists).map(lambda pair: f"{field} {pair[0]} {pair[1]}")


def leaves(words: Words):
    """Return single tests."""
    paths = (words.paths, words.prefixes, words.suffixes, words.globs)
    return st.one_of(
        *(texts_on(field, *paths) for field in ("fd.name", "proc.exepath", "fs.path.name", "fd.nameraw", "fd.name")),
        texts_on("fd.directory", words.directories, words.prefixes, words.suffixes, words.globs),
        texts_on("fd.filename", words.leaves, None, ["dow"], ["sh*"]),
        *(texts_on(field, words.comms, ["s"], ["d"], ["s*"]) for field in ("proc.name", "proc.pname", "proc.aname", "proc.aname[2]", "tolower(proc.name)")),
        texts_on("evt.type", ["open", "openat", "execve", "execveat", "connect", "creat", "socket"]),
        texts_on("container.id", ["host", "c0ffeec0ffee", "other"], ["h"]),
        texts_on("evt.res", RESULTS, ["E"]),
        texts_on("evt.arg.flags", ["O_RDONLY"], None, FLAGS),
        texts_on("fd.typechar", ["4", "6", "f", "u", "d"]),
        texts_on("fd.type", ["ipv4", "ipv6", "file", "unix"]),
        texts_on("fd.sockfamily", ["ip", "unix"]),
        texts_on("fd.l4proto", ["tcp", "udp"]),
        texts_on("fd.nameraw", words.paths[:1], ["../"], ["/../", "../"]),
        *(texts_on(field, words.addresses) for field in ("fd.rip", "fd.sip", "fd.snet", "fd.ip", "fd.net", "fd.cip")),
        *(number_tests(field, words.ports) for field in ("fd.rport", "fd.sport", "fd.port", "fd.lport")),
        number_tests("fd.num", [-1, 0, 3]),
        number_tests("evt.rawres", [-1, 0, -115, -2, 3]),
        number_tests("proc.tty", words.ttys),
        number_tests("proc.apid[1]", [999]),
        number_tests("len(proc.name)", [3]),
        *(number_tests(field, words.ids) for field in ("user.uid", "user.uid", "group.gid")),
        st.sampled_from(TRUTHS + FIXED),
    )


def conditions(words: Words):
    """Return conditions of up to eight tests."""
    return st.recursive(
        leaves(words),
        lambda inner: st.one_of(
            inner.map(lambda text: f"not ({text})"),
            st.lists(inner, min_size=2, max_size=4).map(lambda parts: "(" + " and ".join(parts) + ")"),
            st.lists(inner, min_size=2, max_size=4).map(lambda parts: "(" + " or ".join(parts) + ")"),
        ),
        max_leaves=8,
    )


def conjunctions(words: Words):
    """Return conditions as people write them: two to five tests, some negated, some with an alternative, that must all hold."""
    test = leaves(words)
    part = st.one_of(test, test, test, test.map(lambda text: f"not {text}"), st.tuples(test, test).map(lambda pair: f"({pair[0]} or {pair[1]})"))
    return st.lists(part, min_size=2, max_size=5).map(" and ".join)


def drawn(strategy: st.SearchStrategy[Drawn], count: int, number: int) -> list[Drawn]:
    """Return *count* values of *strategy*, the same ones each time for the same *number*."""
    found: list[Drawn] = []

    @seed(number)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def take(value: Drawn) -> None:
        found.append(value)

    take()
    return found[:count]
