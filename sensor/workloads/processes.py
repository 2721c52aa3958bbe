# SPDX-License-Identifier: Apache-2.0
"""
What ancestors run: their command lines and executables, read in /proc when a rule asks, and believed only with proof.

A frame has of each process its number, its start and two marks of its image:
where its arguments lie, and which file it is. An exec that left the kernel for
any rule tells the image with its marks, and so of an ancestor in a later frame
with the same ones. Of others /proc is read, later than the act. By then the
number may be another process's, or the process run another program, and an
answer about that one would be wrong. So

* the start must be the frame's, to the tick. Another process of that number has
  the same tick only if all numbers went round in 10 ms (they are given out in a
  circle, idr_alloc_cyclic() in kernel/pid.c), or if the host's root chose it;
* the place of the arguments must be the frame's, before and after the reading:
  an exec draws it anew. A program that has this randomness switched off
  (personality(2)) could arrange for the same place, hence
* a path is told only of the very file in the frame, by device and inode, held
  open meanwhile. Arguments are what a process says of itself, at any time.

What cannot be proved is not known, and rules take that as it must be taken. The
table is bounded; one thread owns it. What was read is kept while the marks stay
the same, so that a process that rewrites its arguments shows the first.
"""

from __future__ import annotations

import ctypes
import os
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.core.counters import Count
from sensor.events.around import Image
from sensor.events.common import CMDLINE_BYTES, PATH_BYTES, FrameFlag
from sensor.events.decode import Ancestor

if TYPE_CHECKING:
    from sensor.core.counters import Counters
    from sensor.workloads.aside import Aside

MAX_PROCESSES = 2_048
"""Ancestors that a rule asked for; of usual length 500 bytes each, 1 MB, and 7 MB if all have the longest arguments and paths."""

NS_PER_TICK = 10_000_000
"""USER_HZ is 100 on x86-64 and arm64 (include/asm-generic/param.h)."""

_STAT_BYTES = 2_048
_START, _ARG_START = 22 - 3, 48 - 3
"""Fields of /proc/PID/stat (proc_pid_stat(5)), counted from the third, which follows the name."""

_DELETED = b" (deleted)"
NOT_PROVED = Image(None, None, 0)
"""Of a process that is another, or runs another program: that does not change any more."""


@dataclass(slots=True)
class _Known:
    one: Ancestor
    image: Image
    has_ended: bool = False


class ProcessTable:
    """
    The images of ancestors.

    Args:
        counters: where evictions and what could not be proved are counted.
        aside: reads; None where only execs tell, as in a replay.
        proc: where /proc is; it shows the host's process ids.
        max_processes: the bound.
    """

    def __init__(self, counters: Counters, aside: Aside | None, *, proc: str = "/proc", max_processes: int = MAX_PROCESSES) -> None:
        self._counters = counters
        self._aside = aside
        self._proc = proc
        self._max = max_processes
        self._images: OrderedDict[tuple[int, int], _Known] = OrderedDict()

    def __len__(self) -> int:
        """Processes known."""
        return len(self._images)

    def learn(self, event: Any) -> None:  # noqa: ANN401  # the event classes are generated
        """Remember what an exec that succeeded runs."""
        one = Ancestor(event.start_ns, event.arg_start, event.exe_inode, event.tgid, event.exe_dev, event.comm)
        path = None if event.flags & FrameFlag.EXE_CUT else event.exe_path or None
        self._keep(one, Image(path, None if event.flags & FrameFlag.CMDLINE_FAULTED else event.cmdline or None, event.user_ns))

    def image(self, one: Ancestor) -> Image:
        """Return what *one* ran at the time of its frame; its members are None where that cannot be proved."""
        key = (one.tgid, one.start_ns)
        known = self._images.get(key)
        if known is not None and _marks(known.one) == _marks(one):
            if not known.has_ended:
                self._images.move_to_end(key)
            return known.image
        image: Image | None = self._aside.ask(partial(read_image, one, self._proc)) if self._aside and one.arg_start else None
        if image is None or image is NOT_PROVED:
            self._counters.add(Count.PROCESSES_NOT_PROVED)
        if image is None:  # it has ended, or could not be read in time: another may ask again
            return NOT_PROVED
        if image is not NOT_PROVED or known is None:  # what is known of another image of its may be the later one
            self._keep(one, image)
        return image

    def _keep(self, one: Ancestor, image: Image) -> None:
        key = (one.tgid, one.start_ns)
        self._images[key] = _Known(one, image)
        self._images.move_to_end(key)
        if len(self._images) > self._max and not self._images.popitem(last=False)[1].has_ended:
            self._counters.add(Count.PROCESSES_EVICTED)

    def gone(self, tgid: int, start_ns: int) -> None:
        """The process ended and is the first to make room: an act of its children's may still wait. One that nobody knew is no mistake."""
        known = self._images.get((tgid, start_ns))
        if known is not None:
            known.has_ended = True
            self._images.move_to_end((tgid, start_ns), last=False)


def _marks(one: Ancestor) -> tuple[int, int, int]:
    return one.arg_start, one.exe_inode, one.exe_dev


def read_image(one: Ancestor, proc: str = "/proc") -> Image:
    """
    Read what *one* runs.

    Returns:
        `NOT_PROVED` when the process is another or runs another program; the
        ``exe_path`` is None when the file is not the frame's for certain: another
        one, or one on a stacked file system that calls it by other numbers.

    Raises:
        OSError: it has ended.
    """
    place = f"{proc}/{one.tgid}"
    if not _is_still(place, one):
        return NOT_PROVED
    cmdline = _read(f"{place}/cmdline", CMDLINE_BYTES)
    path = _exe_path(f"{place}/exe", one)
    user_ns = int(str(Path(place, "ns/user").readlink())[len("user:[") : -1])
    return Image(path, cmdline or None, user_ns) if _is_still(place, one) else NOT_PROVED


def is_started(place: str, start_ns: int) -> bool:
    """Tell whether the process at *place* (``/proc/PID``) began at *start_ns*. Raises OSError when there is none."""
    return int(_stat(place)[_START]) == start_ns // NS_PER_TICK


def _is_still(place: str, one: Ancestor) -> bool:
    fields = _stat(place)
    return int(fields[_START]) == one.start_ns // NS_PER_TICK and int(fields[_ARG_START]) == one.arg_start


def _stat(place: str) -> list[bytes]:
    fields = _read(f"{place}/stat", _STAT_BYTES).rpartition(b")")[2].split()
    if len(fields) <= _ARG_START:
        raise ProcessLookupError(place)
    return fields


def _read(path: str, most: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)


def _exe_path(link: str, one: Ancestor) -> bytes | None:
    """The path of the file behind *link*, if it is the one in the frame; the file is held, so that path and numbers are of the same."""
    if not one.exe_dev:
        return None
    descriptor = os.open(link, os.O_PATH | os.O_CLOEXEC)
    try:
        status = _numbers(descriptor)
        if status is None or status[:2] != (one.exe_dev, one.exe_inode):
            return None
        path = os.fsencode(Path(f"/proc/self/fd/{descriptor}").readlink())
    finally:
        os.close(descriptor)
    if path.endswith(_DELETED):
        if status[2]:  # a file that is really called so, or another name of it is left: who knows
            return None
        path = path[: -len(_DELETED)]
    return path if path.startswith(b"/") and len(path) <= PATH_BYTES else None


class _Statx(ctypes.Structure):
    """The beginning of ``struct statx``, include/uapi/linux/stat.h, and room for the rest."""

    _fields_ = (
        ("mask", ctypes.c_uint32), ("block_bytes", ctypes.c_uint32), ("attributes", ctypes.c_uint64), ("links", ctypes.c_uint32), ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32), ("mode", ctypes.c_uint16), ("spare", ctypes.c_uint16), ("inode", ctypes.c_uint64), ("rest", ctypes.c_uint64 * 11),
        ("rdev_major", ctypes.c_uint32), ("rdev_minor", ctypes.c_uint32), ("dev_major", ctypes.c_uint32), ("dev_minor", ctypes.c_uint32),
        ("more", ctypes.c_uint64 * 14),
    )  # fmt: skip


_AT_EMPTY_PATH = 0x1000
_AT_STATX_DONT_SYNC = 0x4000  # a file system that a user or another machine serves is not asked
_STATX_BASIC = 0x7FF


def _numbers(descriptor: int) -> tuple[int, int, int] | None:
    """Device (major << 20 | minor), inode and links of an open file; None where there is no statx(2) (glibc 2.28, Linux 4.11)."""
    status = _Statx()
    with suppress(AttributeError):
        if not ctypes.CDLL(None).statx(descriptor, b"", _AT_EMPTY_PATH | _AT_STATX_DONT_SYNC, _STATX_BASIC, ctypes.byref(status)):
            return status.dev_major << 20 | status.dev_minor, status.inode, status.links
    return None
