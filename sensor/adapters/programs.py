# SPDX-License-Identifier: Apache-2.0
"""
Load and attach programs that were compiled before, without BCC: libbpf and two system calls.

Sources: bpf(2); perf_event_open(2); include/uapi/linux/perf_event.h (struct
perf_event_attr, PERF_EVENT_IOC_…); libbpf's bpf.h for the signatures.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
from typing import TYPE_CHECKING, Any

from sensor.adapters.libbpf import library
from sensor.core.errors import ProbeError

if TYPE_CHECKING:
    from pathlib import Path

PROG_TYPE_TRACEPOINT, PROG_TYPE_RAW_TRACEPOINT = 5, 17

_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
_ATTRIBUTES = struct.Struct("<IIQQQQQII56x")
"""type, size, config, sample_period, sample_type, read_format, flags, wakeup_events, bp_type; the rest zero: PERF_ATTR_SIZE_VER5."""
_TYPE_TRACEPOINT, _SAMPLE_RAW, _FLAG_CLOEXEC = 2, 1 << 10, 8
_IOC_ENABLE, _IOC_SET_BPF = 0x2400, 0x40042408
_ATTEMPTS = 20
"""A signal during the verifier makes the kernel answer EAGAIN."""


def load(name: str, code: bytes, *, raw: bool) -> int:
    """
    Load a program of a tracepoint, or of a raw one; returns its descriptor.

    Raises:
        ProbeError: the verifier refused it.
    """
    kind = PROG_TYPE_RAW_TRACEPOINT if raw else PROG_TYPE_TRACEPOINT
    result = -1
    for _ in range(_ATTEMPTS):
        result = library().bpf_prog_load(kind, name.encode(), b"GPL", code, ctypes.c_size_t(len(code) // 8), None)
        if result >= 0:
            return int(result)
        if -result != errno.EAGAIN:
            break
    raise ProbeError(f"the kernel refused program {name}: {os.strerror(-result)}")


def _open_event(number: int) -> int:
    """perf_event_open(2) of a tracepoint, for every process on every CPU: a BPF program on it ignores the rest."""
    libc: Any = ctypes.CDLL(None, use_errno=True)
    attributes = _ATTRIBUTES.pack(_TYPE_TRACEPOINT, _ATTRIBUTES.size, number, 1, _SAMPLE_RAW, 0, 0, 1, 0)
    fd = int(libc.syscall(_PERF_EVENT_OPEN[platform.machine()], attributes, -1, 0, -1, _FLAG_CLOEXEC))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def attach_tracepoint(program: int, tracefs: Path, category: str, event: str) -> int:
    """Attach a program to a tracepoint; the descriptor returned keeps it attached. Raises ProbeError."""
    try:
        number = int((tracefs / "events" / category / event / "id").read_text(encoding="ascii"))
        fd = _open_event(number)
        fcntl.ioctl(fd, _IOC_SET_BPF, program)
        fcntl.ioctl(fd, _IOC_ENABLE, 0)
    except (OSError, ValueError, KeyError) as error:
        raise ProbeError(f"cannot attach to {category}:{event}: {error}") from error
    return fd


def attach_raw(program: int, event: str) -> int:
    """Attach a program to a raw tracepoint; the descriptor returned keeps it attached. Raises ProbeError."""
    result = int(library().bpf_raw_tracepoint_open(event.encode(), program))
    if result < 0:
        raise ProbeError(f"cannot attach to raw {event}: {os.strerror(-result)}")
    return result
