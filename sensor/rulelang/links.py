# SPDX-License-Identifier: Apache-2.0
"""
Names in rules follow links: the kernel tells where a path leads, people write the name they know.

A *positive* constant (the rule fires there) gets every other name of the same
place: the distribution's fixed links and what a root's own links say (the
`Closures` hook, which reads file systems; this package does not). A *negated*
constant (an exception) gets the fixed table only: a link that somebody put
into an image must never widen an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from sensor.rulelang.check import Leaf

    Closures = Callable[[bytes], Iterable[bytes]]
    """From a path constant to other names of the place; bounded and without an exception."""

DISTRIBUTION: tuple[tuple[bytes, bytes], ...] = (
    (b"/bin", b"/usr/bin"),
    (b"/sbin", b"/usr/sbin"),
    (b"/lib", b"/usr/lib"),
    (b"/lib32", b"/usr/lib32"),
    (b"/lib64", b"/usr/lib64"),
    (b"/libx32", b"/usr/libx32"),
    (b"/var/run", b"/run"),
    (b"/var/lock", b"/run/lock"),
)
"""Links that distributions make (file-hierarchy(7), the /usr merge), followed in both directions: a name may be on either side."""

_META = frozenset(b"*?[\\")


def distribution_names(path: bytes) -> tuple[bytes, ...]:
    """Return *path* and its names through the fixed links."""
    names = {path: None}
    for _ in range(2):  # /var/lock → /run/lock → /var/run/lock
        for name in tuple(names):
            for link, target in DISTRIBUTION:
                for old, new in ((link, target), (target, link)):
                    if name == old or name.startswith(old + b"/"):
                        names[new + name[len(old) :]] = None
    return tuple(names)


def no_closures(_path: bytes) -> tuple[bytes, ...]:
    """Follow no root's links: the distribution's only."""
    return ()


def expand(leaf: Leaf, closures: Closures, *, negated: bool) -> tuple[Any, ...]:
    """
    Return the constants of *leaf* with their other names.

    *negated* says that the leaf stands under an odd number of ``not``; a ``!=``
    is one more.
    """
    if not (leaf.field.spec.path and leaf.operator.linked) or leaf.field.label != leaf.field.spec.name:
        return leaf.values
    excludes = negated != (leaf.operator.symbol == "!=")
    out: dict[bytes, None] = {}
    for value in leaf.values:
        for name in distribution_names(value):
            out[name] = None
        if not excludes:
            for name in _through(value, leaf.operator.symbol, closures):
                out[name] = None
    return tuple(out)


def _through(value: bytes, symbol: str, closures: Closures) -> Iterable[bytes]:
    """Return the names of *value* in a root: of the directory, when the constant is a beginning that ends with a slash."""
    if not value.startswith(b"/") or len(value) == 1:
        return ()
    if symbol == "glob" and _META.intersection(value):
        return ()
    if symbol == "startswith":
        return [name + b"/" for name in closures(value[:-1])] if value.endswith(b"/") else ()
    return closures(value.rstrip(b"/"))
