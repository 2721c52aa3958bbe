# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.events.dimensions import PATTERN_BYTES, Dimension, PathPattern
from sensor.rulelang.paths import of_directory, of_path


def values(sets):
    """Return dimension → values."""
    return {dimension.value: set(found) for dimension, (_, found) in sets.items()}


LONG = b"/" + b"x" * 200


@pytest.mark.parametrize(
    ("symbol", "constant", "expected", "exact"),
    [
        ("=", b"/shadow", {"leaf": {b"shadow"}, "path": {PathPattern(b"/shadow", exact=True)}}, True),
        ("=", b"/", {"path": {PathPattern(b"/", exact=True)}}, True),
        ("=", b"/etc/", {"path": {PathPattern(b"/etc/", exact=True)}}, True),
        ("=", b"relative", {}, False),
        ("=", LONG, {"path": {PathPattern(LONG[:PATTERN_BYTES], exact=False)}}, False),
        ("startswith", b"/etc", {"path": {PathPattern(b"/etc", exact=False)}}, True),
        ("startswith", b"/", {}, False),
        ("pmatch", b"/etc/", {"path": {PathPattern(b"/etc", exact=True), PathPattern(b"/etc/", exact=False)}}, True),
        ("glob", b"/home/*/.ssh/id", {"leaf": {b"id"}, "directory": {b".ssh"}, "path": {PathPattern(b"/home/", exact=False)}}, False),
        ("glob", b"*/x*", {}, False),
        ("endswith", b"/.ssh/id", {"leaf": {b"id"}, "directory": {b".ssh"}}, True),
        ("endswith", b"/u/.ssh/id", {"leaf": {b"id"}, "directory": {b".ssh"}, "above": {b"u"}}, False),
        ("endswith", b"u/.ssh/id", {"leaf": {b"id"}, "directory": {b".ssh"}}, False),
        ("endswith", b"id", {}, False),
        ("contains", b"/.ssh/", {}, False),
        ("regex", b"/etc/.*", {}, False),
    ],
)
def test_what_a_path_test_says(symbol, constant, expected, exact):
    """Each operator gives the dimensions that follow from it, no more."""
    sets, said = of_path(symbol, (constant,), excludes=False)
    assert (values(sets), said) == (expected, exact)


def test_exclusions_are_exact_or_not_there():
    """Long, relative and patterned constants exclude nothing."""
    assert of_path("in", (b"/a", LONG, b"b"), excludes=True) == ({Dimension.PATH: (True, frozenset({PathPattern(b"/a", exact=True)}))}, False)
    assert of_path("glob", (b"/etc/*",), excludes=True) == ({}, False)
    assert of_path("contains", (b"/etc",), excludes=True) == ({}, False)
    assert of_path("endswith", (b"/etc",), excludes=True) == ({}, False)


def test_one_constant_without_a_name_takes_the_names_away():
    """A leaf set must have the leaf of every constant."""
    sets, _ = of_path("in", (b"/etc/shadow", b"/" + b"n" * 40), excludes=False)
    assert set(sets) == {Dimension.PATH}


@pytest.mark.parametrize(
    ("symbol", "constant", "expected"),
    [
        ("=", b"/etc/ssh", {"directory": {b"ssh"}, "above": {b"etc"}, "path": {PathPattern(b"/etc/ssh/", exact=False)}}),
        ("=", b"/", {}),
        ("startswith", b"/etc", {"path": {PathPattern(b"/etc", exact=False)}}),
        ("pmatch", b"/etc", {"path": {PathPattern(b"/etc/", exact=False)}}),
        ("endswith", b"/.ssh", {"directory": {b".ssh"}}),
        ("endswith", b"ssh", {}),
        ("contains", b"ssh", {}),
    ],
)
def test_what_a_directory_test_says(symbol, constant, expected):
    """A directory is a name and a beginning."""
    assert values(of_directory(symbol, (constant,))) == expected
