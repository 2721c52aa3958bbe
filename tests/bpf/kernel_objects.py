# SPDX-License-Identifier: Apache-2.0
"""Which programs and maps the kernel holds, asked of the kernel itself (bpf(2)), and waiting for some to be gone."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bpf.live import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MAX_MAPS = 64


class _ProgramInfo(ctypes.Structure):
    """The beginning of struct bpf_prog_info, include/uapi/linux/bpf.h."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("jited_prog_len", ctypes.c_uint32),
        ("xlated_prog_len", ctypes.c_uint32),
        ("jited_prog_insns", ctypes.c_uint64),
        ("xlated_prog_insns", ctypes.c_uint64),
        ("load_time", ctypes.c_uint64),
        ("created_by_uid", ctypes.c_uint32),
        ("nr_map_ids", ctypes.c_uint32),
        ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * 16),
    )


def map_ids(fds: Iterable[int]) -> set[int]:
    """The kernel's ids of maps that are held by descriptor."""
    lines = [line for fd in fds for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()]
    return {int(line.split()[1]) for line in lines if line.startswith("map_id:")}


def programs_using(maps: set[int]) -> set[int]:
    """Ids of the programs that use any of the maps. Asked once: it holds each program for a moment."""
    bpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    found, at, following = set(), 0, ctypes.c_uint32()
    while not bpf.bpf_prog_get_next_id(at, ctypes.byref(following)):
        at = following.value
        fd = bpf.bpf_prog_get_fd_by_id(at)
        if fd < 0:
            continue
        ids = (ctypes.c_uint32 * _MAX_MAPS)()
        info = _ProgramInfo(nr_map_ids=_MAX_MAPS, map_ids=ctypes.addressof(ids))
        failed = bpf.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(ctypes.c_uint32(ctypes.sizeof(info))))
        os.close(fd)
        if not failed and maps & set(ids[: info.nr_map_ids]):
            found.add(at)
    return found


def maps_left(maps: set[int]) -> set[int]:
    """Those of the maps that the kernel still has. Their ids are listed: a descriptor, however short its life, would keep them."""
    bpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    found, at, following = set(), min(maps) - 1, ctypes.c_uint32()
    while not bpf.bpf_map_get_next_id(at, ctypes.byref(following)):
        at = following.value
        found.add(at)
    return maps & found


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for the kernel, which frees what nobody holds when it comes to it."""
    ends, pause = time.monotonic() + DEADLINE_S, threading.Event()
    while not condition():
        assert time.monotonic() < ends, what
        pause.wait(0.02)


def gone(pid: int) -> bool:
    """Whether the process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
