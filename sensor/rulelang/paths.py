# SPDX-License-Identifier: Apache-2.0
"""
What tests on paths say about a path's dimensions: its whole, its leaf, the directory it lies in, the one above.

The kernel looks up these names long before it walks a path, so every constant
that has them gives them. Names of more than 31 bytes are not in the tables and
give none, nor does the top of the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.events.dimensions import NAME_BYTES, PATTERN_BYTES, Dimension, PathPattern
from sensor.rulelang.operators import glob_ends

if TYPE_CHECKING:
    from collections.abc import Iterable

Sets = dict[Dimension, tuple[bool, frozenset[Any]]]


def of_path(symbol: str, values: tuple[bytes, ...], *, excludes: bool) -> tuple[Sets, bool]:
    """
    Return the constraints that a test of a whole path implies, and whether they are all it says.

    *excludes*: the test holds for paths that the constants do not name.
    """
    if symbol == "endswith":
        return ({}, False) if excludes else _suffix(values[0])  # of a cut path the negation holds, though its leaf is known
    patterns = _patterns(symbol, values)
    if excludes and symbol == "glob":
        patterns = [one if one and one.exact else None for one in patterns]  # the beginning of a pattern excludes nothing
    if excludes:
        fitting = frozenset(one for one in patterns if one is not None and _fits(one))
        return ({Dimension.PATH: (True, fitting)} if fitting else {}), bool(patterns) and len(fitting) == len(patterns)
    if not values:
        return {}, False
    sets: Sets = {}
    exact = symbol != "glob" and bool(patterns)
    if patterns and all(one is not None for one in patterns):
        sets[Dimension.PATH] = (False, frozenset(_cut(one) for one in patterns if one is not None))
        exact = exact and all(one is not None and _fits(one) for one in patterns)
    else:
        exact = False
    tails = [glob_ends(value)[1] for value in values] if symbol == "glob" else list(values) if symbol in ("=", "in", "intersects") else []
    if tails:
        sets |= _names(tails)
    return sets, exact


def _patterns(symbol: str, values: tuple[bytes, ...]) -> list[PathPattern | None]:
    """Return what the trie is to hold for each constant; None for one that says nothing about where a path begins."""
    out: list[PathPattern | None] = []
    for value in values:
        if symbol in ("=", "!=", "in", "intersects"):
            out.append(PathPattern(value, exact=True) if value.startswith(b"/") else None)
        elif symbol == "startswith":
            out.append(_beginning(value))
        elif symbol == "pmatch":
            bare = value.rstrip(b"/")
            out += [PathPattern(bare, exact=True), PathPattern(bare + b"/", exact=False)] if bare.startswith(b"/") else [None]
        elif symbol == "glob":
            head = glob_ends(value)[0]
            out.append(PathPattern(value, exact=True) if head == value and value.startswith(b"/") else _beginning(head))
    return out


def _beginning(value: bytes) -> PathPattern | None:
    return PathPattern(value, exact=False) if value.startswith(b"/") and value != b"/" else None


def _fits(pattern: PathPattern) -> bool:
    return len(pattern.path) <= PATTERN_BYTES


def _cut(pattern: PathPattern) -> PathPattern:
    return pattern if _fits(pattern) else PathPattern(pattern.path[:PATTERN_BYTES], exact=False)


def _names(tails: Iterable[bytes]) -> Sets:
    """Return leaf and directory names when every text ends with one."""
    leaves: set[bytes] = set()
    directories: set[bytes] = set()
    aboves: set[bytes] = set()
    for tail in tails:
        before, slash, leaf = tail.rpartition(b"/")
        upper, second, directory = before.rpartition(b"/")
        ordinary = slash and 0 < len(leaf) <= NAME_BYTES
        leaves.add(leaf if ordinary else b"")
        inside = ordinary and second and 0 < len(directory) <= NAME_BYTES and not upper.endswith(b"/")
        directories.add(directory if inside else b"")
        aboves.add(_last(upper) if inside else b"")
    sets: Sets = {}
    if b"" not in leaves:
        sets[Dimension.LEAF] = (False, frozenset(leaves))
        if b"" not in directories:
            sets[Dimension.DIRECTORY] = (False, frozenset(directories))
            if b"" not in aboves:
                sets[Dimension.ABOVE] = (False, frozenset(aboves))
    return sets


def _last(folder: bytes) -> bytes:
    """Return the last component of *folder*, or nothing when it is not known whole, too long, or there is none."""
    _, slash, name = folder.rpartition(b"/")
    return name if slash and len(name) <= NAME_BYTES else b""


def _suffix(value: bytes) -> tuple[Sets, bool]:
    sets = _names([value])
    parts = value.count(b"/")
    exact = value.startswith(b"/") and ((parts == 1 and len(sets) == 1) or (parts == 2 and len(sets) == 2))  # noqa: PLR2004  # /leaf, /directory/leaf
    return sets, exact


def of_program(symbol: str, values: tuple[bytes, ...]) -> Sets:
    """Return the constraint that a (not negated) test of the running program's path implies: its last component."""
    if symbol == "glob":
        values = tuple(glob_ends(value)[1] for value in values)
    elif symbol not in ("=", "in", "intersects", "endswith"):
        return {}
    leaves = _names(values).get(Dimension.LEAF) if values else None
    return {Dimension.EXE: leaves} if leaves else {}


def of_directory(symbol: str, values: tuple[bytes, ...]) -> Sets:
    """Return the constraints that a (not negated) test of a path's directory implies."""
    if symbol == "endswith":
        name = values[0].rpartition(b"/")[2]
        return {Dimension.DIRECTORY: (False, frozenset({name}))} if b"/" in values[0] and 0 < len(name) <= NAME_BYTES else {}
    if symbol == "startswith":
        patterns = [_beginning(value) for value in values]
    elif symbol in ("=", "in", "intersects", "pmatch"):
        patterns = [_beginning(value.rstrip(b"/") + b"/") if value.startswith(b"/") else None for value in values]
    else:
        return {}
    if not patterns or None in patterns:
        return {}
    sets: Sets = {Dimension.PATH: (False, frozenset(_cut(one) for one in patterns if one is not None))}
    names = frozenset(value.rstrip(b"/").rpartition(b"/")[2] for value in values)
    if symbol not in {"startswith", "pmatch"} and all(0 < len(name) <= NAME_BYTES for name in names):
        sets[Dimension.DIRECTORY] = (False, names)
        aboves = frozenset(_last(value.rstrip(b"/").rpartition(b"/")[0]) for value in values)
        if b"" not in aboves and not any(b"//" in value for value in values):
            sets[Dimension.ABOVE] = (False, aboves)
    return sets
