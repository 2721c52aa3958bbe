# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.links import distribution_names, expand
from tests.unit.rulelang.conditions import tree


def hook(path):
    """Return one link of a pretended root."""
    return (b"/real" + path,)


@pytest.mark.parametrize(
    ("path", "names"),
    [(b"/bin/sh", {b"/bin/sh", b"/usr/bin/sh"}), (b"/usr/sbin/", {b"/usr/sbin/", b"/sbin/"}), (b"/run", {b"/run", b"/var/run"}), (b"/binary", {b"/binary"})],
)
def test_distribution_links_go_both_ways(path, names):
    """Only whole components count."""
    assert set(distribution_names(path)) == names


def test_positive_constants_follow_links():
    """Where the rule fires, the root's links count."""
    assert b"/real/etc/x" in expand(tree("fd.name = /etc/x"), hook, negated=False)
    assert b"/real/etc/" in expand(tree("fd.name startswith /etc/"), hook, negated=False)


def test_exceptions_follow_the_fixed_table_only():
    """A link in an image must never widen an exception."""
    assert set(expand(tree("fd.name = /bin/x"), hook, negated=True)) == {b"/bin/x", b"/usr/bin/x"}
    assert set(expand(tree("fd.name != /bin/x"), hook, negated=False)) == {b"/bin/x", b"/usr/bin/x"}


def test_two_negations_are_none():
    """Not (a != b) fires where a is b."""
    assert b"/real/bin/x" in expand(tree("fd.name != /bin/x"), hook, negated=True)


@pytest.mark.parametrize("condition", ["fd.name contains /bin/x", "proc.name = /bin/x", "fd.nameraw = /bin/x", "basename(proc.exepath) = /bin"])
def test_what_is_no_whole_path_is_left_alone(condition):
    """Parts of paths, other fields and transformed ones keep their constants."""
    leaf = tree(condition)
    assert expand(leaf, hook, negated=False) == leaf.values


def test_patterns_and_open_beginnings_follow_the_table_only():
    """A beginning without a slash at its end, or a glob, names no place."""
    assert set(expand(tree("fd.name startswith /bin"), hook, negated=False)) == {b"/bin", b"/usr/bin"}
    assert set(expand(tree("fd.name glob /bin/*"), hook, negated=False)) == {b"/bin/*", b"/usr/bin/*"}
