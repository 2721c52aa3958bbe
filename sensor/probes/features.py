# SPDX-License-Identifier: Apache-2.0
"""
What this kernel offers the probes, found by asking it.

Each answer is a ``-DHAVE_…`` flag that only bpf/include/compat.h reads. The
questions are tiny programs and maps that the kernel verifies and we throw away
(`sensor.adapters.bpfsys`), because distributions take facilities back to older
numbers and switch others off. "No right to ask" is an error, never a "no": an
agent that could not ask must not pretend that it runs on an old kernel.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sensor.adapters import bpfsys
from sensor.core.errors import KernelUnsupported, PrivilegeMissing, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = ("ringbuf", "raw_tracepoint", "probe_read_kernel", "bounded_loops", "task_btf", "set_state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Facilities that differ between 4.14 and today; found by asking for them, never by version where asking is possible."""

    ringbuf: bool
    """BPF_MAP_TYPE_RINGBUF (5.8)."""

    raw_tracepoint: bool
    """BPF_PROG_TYPE_RAW_TRACEPOINT (4.17)."""

    probe_read_kernel: bool
    """bpf_probe_read_kernel and _user (5.5)."""

    bounded_loops: bool
    """Loops and a million instructions (5.3)."""

    task_btf: bool
    """bpf_get_current_task_btf, so task fields are loads and not helper calls (5.11, with BTF)."""

    set_state: bool
    """The tracepoint sock/inet_sock_set_state (4.16)."""

    def flags(self) -> tuple[str, ...]:
        """The compiler flags, one for each facility that is there."""
        return tuple(f"-DHAVE_{name.upper()}=1" for name in _NAMES if getattr(self, name))

    def for_offsets(self, source: str) -> Features:
        """
        What may be used with offsets from *source* (`sensor.probes.offsets.model.Offsets.source`).

        A typed load at a wrong offset is the verifier's refusal of a whole probe,
        in the verifier's words; a read of memory gives garbage, which the agent
        finds and refuses by the member's name. Only the kernel's own BTF cannot be wrong.
        """
        return self if source.startswith("btf:") else replace(self, task_btf=False)

    def restricted(self, level: str) -> Features:
        """
        What is left when everything newer than *level* is switched off by hand.

        Args:
            level: ``all`` (nothing is switched off) or ``oldest`` (what 4.14 has).

        Raises:
            UsageError: *level* is neither.
        """
        if level == "all":
            return self
        if level == "oldest":
            return OLDEST
        raise UsageError(f"no feature level is called {level!r}", hint="use all or oldest")


OLDEST = Features(ringbuf=False, raw_tracepoint=False, probe_read_kernel=False, bounded_loops=False, task_btf=False, set_state=False)
"""What 4.14 has: the form every program must also fit, switched on by hand in tests with ``--features oldest``."""

_PROBE_READ_USER, _PROBE_READ_KERNEL, _CURRENT_TASK_BTF = 112, 113, 158
"""Numbers of the helpers, ``enum bpf_func_id`` in include/uapi/linux/bpf.h."""

_NOTHING = bpfsys.move(0, 0) + bpfsys.EXIT


def detect(tracefs: Path | None) -> Features:
    """
    Ask the kernel; about a millisecond in all.

    The limit on locked memory is lifted before, where that is allowed: below
    5.11 programs and maps count against it, all of the user's together, so
    that another BPF user on the node would turn every answer into EPERM.
    libbpf and BCC do the same, but only when they are asked for something.

    Args:
        tracefs: where tracefs is mounted (`sensor.probes.offsets.tracepoints.find_tracefs`);
            ``None`` leaves ``set_state`` false.

    Raises:
        PrivilegeMissing: the kernel does not let this process load programs or make maps.
        KernelUnsupported: the kernel has no bpf(2) or no tracepoint programs.
    """
    _lift_locked_memory()
    _require_programs()
    return Features(
        ringbuf=_has_ring_buffer(),
        raw_tracepoint=bpfsys.try_program(bpfsys.PROG_RAW_TRACEPOINT, _NOTHING) == 0,
        probe_read_kernel=_has_read_helper(_PROBE_READ_KERNEL) and _has_read_helper(_PROBE_READ_USER),
        bounded_loops=_has_loops(),
        task_btf=_has_task_btf(),
        set_state=tracefs is not None and (tracefs / "events/sock/inet_sock_set_state/format").is_file(),
    )


def _lift_locked_memory() -> None:
    """Raise RLIMIT_MEMLOCK as far as this process may (setrlimit(2): the hard limit only with CAP_SYS_RESOURCE); 5.11 and later do not count it."""
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    for limits in ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), (hard, hard)):
        with suppress(ValueError, OSError):  # ValueError: "not allowed to raise maximum limit"
            resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
            return


def _require_programs() -> None:
    answer = bpfsys.try_program(bpfsys.PROG_TRACEPOINT, _NOTHING)
    if answer in (errno.EPERM, errno.EACCES):
        raise PrivilegeMissing(
            "the kernel does not let this process load eBPF programs (EPERM)",
            hint="run as root, or with CAP_BPF and CAP_PERFMON (CAP_SYS_ADMIN below 5.8)",
        )
    if answer:
        raise KernelUnsupported(
            f"the kernel refuses the simplest tracepoint program ({errno.errorcode.get(answer, answer)}: {os.strerror(answer)})",
            hint="a kernel with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS is needed, on x86-64 or arm64",
        )


def _has_ring_buffer() -> bool:
    answer = bpfsys.try_map(bpfsys.MAP_RINGBUF, key_bytes=0, value_bytes=0, max_entries=mmap.PAGESIZE)
    if answer in (errno.EPERM, errno.ENOMEM):
        raise PrivilegeMissing(
            f"the kernel does not let this process make a map ({errno.errorcode[answer]})",
            hint="below 5.11 maps count as locked memory: add CAP_SYS_RESOURCE or raise the limit (ulimit -l unlimited)",
        )
    return answer == 0


def _has_read_helper(helper: int) -> bool:
    """``helper(fp - 8, 8, NULL)``; unknown helpers, and those that lockdown forbids, are EINVAL."""
    frame_pointer = 10
    code = bpfsys.move_register(1, frame_pointer) + bpfsys.add(1, -8) + bpfsys.move(2, 8) + bpfsys.move(3, 0) + bpfsys.call(helper) + _NOTHING
    return bpfsys.try_program(bpfsys.PROG_TRACEPOINT, code) == 0


def _has_loops() -> bool:
    """``for (r0 = 0; r0 < 4; r0++);``, which was a "back-edge" before 5.3."""
    code = bpfsys.move(0, 0) + bpfsys.add(0, 1) + bpfsys.jump_if_less(0, 4, -2) + bpfsys.EXIT
    return bpfsys.try_program(bpfsys.PROG_TRACEPOINT, code) == 0


def _has_task_btf() -> bool:
    """The helper, and a plain load through what it gives: the first word of the task (``thread_info.flags``), which needs BTF."""
    code = bpfsys.call(_CURRENT_TASK_BTF) + bpfsys.load_u64(1, 0, 0) + _NOTHING
    return bpfsys.try_program(bpfsys.PROG_TRACEPOINT, code) == 0
