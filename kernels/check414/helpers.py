# SPDX-License-Identifier: Apache-2.0
"""
The helpers a tracing program has in 4.14, and what 4.14 asks of their arguments.

4.14 knows helpers up to 53 (``sock_map_update``); number 54 came with 4.15.
Most of them are for packets: a tracepoint or kprobe program may call those
below.

Source: 4.14, include/uapi/linux/bpf.h (__BPF_FUNC_MAPPER) and
kernel/trace/bpf_trace.c (tracing_func_proto, tp_prog_func_proto); what the
arguments must be is kernel/bpf/verifier.c, check_func_arg(): keys and values of
map calls on the stack (a map's value may be given since 4.18, commit
d71962f3e627), sizes never 0 (allowed for probe_read since 4.15, for
probe_read_str and perf_event_output since 4.16).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """One helper: its name in the kernel, and which argument registers have a duty."""

    name: str
    on_stack: tuple[int, ...] = ()
    """Registers that must point to the stack."""

    memory: int = 0
    """Register that points to memory of which the next register has the size; 0 if there is none."""

    writes: bool = False
    """Whether the helper writes that memory."""


LOOKUP = 1

TRACING_4_14: dict[int, Helper] = {
    LOOKUP: Helper(name="map_lookup_elem", on_stack=(2,)),
    2: Helper(name="map_update_elem", on_stack=(2, 3)),
    3: Helper(name="map_delete_elem", on_stack=(2,)),
    4: Helper(name="probe_read", memory=1, writes=True),
    5: Helper(name="ktime_get_ns"),
    6: Helper(name="trace_printk", memory=1),
    7: Helper(name="get_prandom_u32"),
    8: Helper(name="get_smp_processor_id"),
    12: Helper(name="tail_call"),
    14: Helper(name="get_current_pid_tgid"),
    15: Helper(name="get_current_uid_gid"),
    16: Helper(name="get_current_comm", memory=1, writes=True),
    22: Helper(name="perf_event_read"),
    25: Helper(name="perf_event_output", memory=4),
    27: Helper(name="get_stackid"),
    35: Helper(name="get_current_task"),
    36: Helper(name="probe_write_user", memory=2),
    37: Helper(name="current_task_under_cgroup"),
    42: Helper(name="get_numa_node_id"),
    45: Helper(name="probe_read_str", memory=1, writes=True),
}
