# SPDX-License-Identifier: Apache-2.0
"""
How long a sensor's BPF programs run, by the kernel's own account.

While a descriptor of BPF_ENABLE_STATS (5.8) is open, the kernel times every
run of every program; closing it ends that, also when we crash. Only programs
that the sensor's processes hold, or that are attached through what they hold,
count: what else runs on the machine is not ours. A tail call's time belongs to
the program that was entered.

Source: include/uapi/linux/bpf.h (union bpf_attr, struct bpf_prog_info), kernel/bpf/syscall.c.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import loads
from tests.bench.accounts import PROC, tree
from tests.bench.build import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.bench.loads import Load

_BPF = {"x86_64": 321, "aarch64": 280}
_PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD, _TASK_FD_QUERY, _ENABLE_STATS = 13, 15, 20, 32
_STATS_RUN_TIME = 0
_INFO_BYTES = 256
_NAME_AT, _RUN_AT = 64, 192
"""``name`` (16 bytes), then ``run_time_ns`` and ``run_cnt`` in struct bpf_prog_info."""
_ATTR_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """One program's account so far, or between two moments."""

    name: str
    time_ns: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerAct:
    """What one program did for one act of a workload."""

    runs: int
    """Times it runs per act: the nearest whole number, which leaves out other people's acts meanwhile."""
    mean_ns: float
    """Time of one run."""


def _ask(command: int, attributes: bytes) -> tuple[int, bytes]:
    """Return the call's result (or minus errno) and the attributes as the kernel left them."""
    buffer = ctypes.create_string_buffer(attributes.ljust(_ATTR_BYTES, b"\0"), _ATTR_BYTES)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(_BPF[platform.machine()]), ctypes.c_int(command), buffer, ctypes.c_uint(_ATTR_BYTES))
    return (int(result) if result >= 0 else -ctypes.get_errno()), buffer.raw


@contextlib.contextmanager
def accounting() -> Iterator[None]:
    """Have the kernel account for programs meanwhile. Raises BenchError."""
    fd, _ = _ask(_ENABLE_STATS, struct.pack("<I", _STATS_RUN_TIME))
    if fd < 0:
        raise BenchError(f"the kernel does not account for programs here: {os.strerror(-fd)}")
    try:
        yield
    finally:
        os.close(fd)


def _program_behind(pid: int, fd: int) -> int:
    """Return the id of the program that a descriptor of a process is or keeps attached; 0 for none."""
    try:
        for line in (PROC / str(pid) / "fdinfo" / str(fd)).read_text().splitlines():
            if line.startswith("prog_id:"):
                return int(line.split()[1])
    except OSError:
        return 0
    result, attributes = _ask(_TASK_FD_QUERY, struct.pack("<IIIIQ", pid, fd, 0, 0, 0))
    return struct.unpack_from("<I", attributes, 24)[0] if result == 0 else 0


def programs_of(pid: int) -> frozenset[int]:
    """Return the ids of the programs that a sensor, *pid* with its descendants, holds or keeps attached."""
    found = set()
    for process in tree(pid):
        try:
            fds = [int(entry.name) for entry in (PROC / str(process) / "fd").iterdir()]
        except OSError:
            continue
        found |= {_program_behind(process, fd) for fd in fds}
    return frozenset(found - {0})


def account(ids: Iterable[int]) -> dict[int, Runs]:
    """Return each program's account so far; programs that are gone are left out."""
    accounts = {}
    for number in ids:
        fd, _ = _ask(_PROG_GET_FD_BY_ID, struct.pack("<I", number))
        if fd < 0:
            continue
        try:
            info = ctypes.create_string_buffer(_INFO_BYTES)
            result, _ = _ask(_OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", fd, _INFO_BYTES, ctypes.addressof(info)))
        finally:
            os.close(fd)
        if result == 0:
            time_ns, count = struct.unpack_from("<QQ", info.raw, _RUN_AT)
            accounts[number] = Runs(name=info.raw[_NAME_AT : _NAME_AT + 16].split(b"\0")[0].decode(), time_ns=time_ns, count=count)
    return accounts


def between(before: dict[int, Runs], after: dict[int, Runs], acts: int) -> dict[str, PerAct]:
    """Return what each program did per act while *acts* acts ran, by its name; programs that no act runs are left out."""
    done = {}
    for number, end in after.items():
        start = before.get(number, Runs(name=end.name, time_ns=0, count=0))
        count = end.count - start.count
        if runs := round(count / acts):
            done[end.name] = PerAct(runs=runs, mean_ns=(end.time_ns - start.time_ns) / count)
    return done


def total_ns(done: dict[str, PerAct]) -> float:
    """Return the programs' time per act."""
    return sum(one.runs * one.mean_ns for one in done.values())


def during(ids: dict[str, frozenset[int]], load: Load, acts: int) -> dict[str, dict[str, PerAct]]:
    """Do a workload and return what each program did per act, by sensor; *ids* are the sensors' programs, `accounting` is on."""
    before = {arm: account(numbers) for arm, numbers in ids.items()}
    loads.run(load, acts)
    return {arm: between(before[arm], account(numbers), acts) for arm, numbers in ids.items()}
