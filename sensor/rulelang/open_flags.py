# SPDX-License-Identifier: Apache-2.0
"""
The fields about an open's flags.

An open's flags come from the call's registers and are sure, but openat2's:
they lie in memory that another thread can write once the kernel has read them.
Of a file that was opened most are the file's own; whether it was to be created
or truncated is then one of a few combinations (`Unknown.among`), and of an
openat2 that opened nothing no flag is sure.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from sensor.events.common import FrameFlag
from sensor.rulelang.getters import O_PATH
from sensor.rulelang.values import UNKNOWN, Unknown

_CREATION_UNSURE = int(FrameFlag.CREATION_UNSURE)
_FLAGS_UNSURE = int(FrameFlag.FLAGS_UNSURE)
_CREATION = os.O_CREAT | os.O_EXCL | os.O_TRUNC

_ACCESS = (b"O_RDONLY", b"O_WRONLY", b"O_RDWR", b"O_NONE")
_FLAG_NAMES = (
    *((getattr(os, name, 0), name.encode()) for name in ("O_CREAT", "O_EXCL", "O_TRUNC", "O_APPEND", "O_NONBLOCK", "O_DIRECT", "O_DIRECTORY", "O_CLOEXEC")),
    (O_PATH, b"O_PATH"),
    (getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY, b"O_TMPFILE"),
    (os.O_SYNC & ~os.O_DSYNC, b"O_SYNC"),
    (os.O_DSYNC, b"O_DSYNC"),
)


def is_open_read(event: Any) -> Any:
    """evt.is_open_read."""
    if event.flags & _FLAGS_UNSURE:
        return UNKNOWN
    return event.open_flags & 3 in (0, 2) and not event.open_flags & O_PATH


def is_open_write(event: Any) -> Any:
    """evt.is_open_write."""
    if event.flags & _FLAGS_UNSURE:
        return UNKNOWN
    return event.open_flags & 3 in (1, 2) and not event.open_flags & O_PATH


def is_open_create(event: Any) -> Any:
    """evt.is_open_create."""
    if event.ret < 0:
        return False
    return UNKNOWN if event.flags & _CREATION_UNSURE else bool(event.open_flags & os.O_CREAT)


def is_open_exec(event: Any) -> Any:
    """evt.is_open_exec."""
    return UNKNOWN if event.flags & _CREATION_UNSURE else bool(event.open_flags & os.O_CREAT and event.open_mode & 0o111)


def mode_text(event: Any) -> Any:
    """evt.arg.mode of an open."""
    return UNKNOWN if event.flags & _CREATION_UNSURE else b"0%o" % event.open_mode


def flag_names(event: Any) -> Any:
    """evt.arg.flags of an open."""
    if event.flags & _FLAGS_UNSURE:
        return UNKNOWN
    return _may_create(event.open_flags) if event.flags & _CREATION_UNSURE else _flag_text(event.open_flags)


@lru_cache(256)
def _may_create(flags: int) -> Unknown:
    """Return the flags of an open, as found and with any others of those that create and truncate."""
    more = (0, os.O_CREAT, os.O_EXCL, os.O_TRUNC)
    sure = flags & ~_CREATION
    return Unknown(among=tuple(dict.fromkeys((_flag_text(flags), *(_flag_text(sure | one | two | three) for one in more for two in more for three in more)))))


@lru_cache(1024)
def _flag_text(flags: int) -> bytes:
    return b"|".join((_ACCESS[flags & 3], *(name for bit, name in _FLAG_NAMES if bit and flags & bit == bit)))
