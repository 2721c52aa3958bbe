# SPDX-License-Identifier: Apache-2.0
"""
Where a rule's path constants lead in the host's root.

The kernel tells where a file is; a rule may name it by a link. Every *positive*
constant is therefore followed here, bounded in number. Containers' roots are
followed when a container starts, elsewhere.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PATHS = 20_000
"""Most constants that are followed; a list of more is a blocklist, not a set of well-known names."""


def host_closures(limit: int = MAX_PATHS) -> Callable[[bytes], tuple[bytes, ...]]:
    """
    Return the hook for `sensor.rulelang.links`: from a path to where it leads on this host.

    Answers are kept, so that a constant in many rules costs one walk. A path
    that leads nowhere new, that cannot be read, or that comes after *limit*
    others gives nothing, which leaves the name as written.
    """
    known: dict[bytes, tuple[bytes, ...]] = {}

    def closures(path: bytes) -> tuple[bytes, ...]:
        if path not in known:
            if len(known) >= limit or b"\0" in path:
                return ()
            try:
                real = os.path.realpath(path)
            except OSError:
                real = path
            known[path] = (real,) if real != os.path.normpath(path) else ()
        return known[path]

    return closures
