# SPDX-License-Identifier: Apache-2.0
"""mount(2) and umount2(2) for the tests' containers, without a process for each, and what is mounted now."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_NOSUID, MS_NODEV = 2, 4  # include/uapi/linux/mount.h
_MNT_DETACH = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount; an OSError names the target."""
    if _LIBC.mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()):
        code = ctypes.get_errno()
        raise OSError(code, f"mount {kind}: {os.strerror(code)}", str(target))


def unmount(target: Path) -> None:
    """Take a mount away, also a busy one: it goes when its last user does."""
    if _LIBC.umount2(os.fsencode(target), _MNT_DETACH):
        code = ctypes.get_errno()
        raise OSError(code, f"umount: {os.strerror(code)}", str(target))


def mounted_below(folder: Path) -> list[Path]:
    """Every mount point at or below *folder*, the deepest first."""
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((point for point in points if point.is_relative_to(folder)), key=lambda point: -len(point.parts))


def cgroup_roots() -> list[Path]:
    """Where every cgroup hierarchy of this machine is mounted."""
    lines = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [Path(front.split()[4]) for front, back in lines if back.split()[0] in {"cgroup", "cgroup2"}]
