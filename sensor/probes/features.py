# SPDX-License-Identifier: Apache-2.0
"""What this kernel offers the probes. Each answer is a ``-DHAVE_…`` flag that only bpf/include/compat.h reads."""

from __future__ import annotations

from dataclasses import dataclass


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
        names = ("ringbuf", "raw_tracepoint", "probe_read_kernel", "bounded_loops", "task_btf", "set_state")
        return tuple(f"-DHAVE_{name.upper()}=1" for name in names if getattr(self, name))


OLDEST = Features(
    ringbuf=False, raw_tracepoint=False, probe_read_kernel=False, bounded_loops=False, task_btf=False, set_state=False
)
"""What 4.14 has: the form every program must also fit, switched on by hand in tests with ``--features oldest``."""
