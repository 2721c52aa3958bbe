# SPDX-License-Identifier: Apache-2.0
"""
Checks on what this process may do.

Which capability stands for what: BPF and PERFMON (5.8; before, SYS_ADMIN) load
and attach programs, SYS_RESOURCE raises the locked-memory limit that maps count
against below 5.11, SYS_PTRACE and DAC_READ_SEARCH look into other processes.

Source: capabilities(7); kernel/bpf/syscall.c bpf_capable(); Documentation/admin-guide/perf-security.rst;
security/lockdown/lockdown.c; Documentation/admin-guide/sysctl/kernel.rst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.doctor.verdicts import Check, note, ok, problem

if TYPE_CHECKING:
    from sensor.doctor.facts import Facts

_SPLIT_SYS_ADMIN = (5, 8)
"""CAP_BPF and CAP_PERFMON split from CAP_SYS_ADMIN (commits a17b53c4a4b5, 980737282232)."""

_MEMLOCK_GONE = (5, 11)
"""BPF memory is accounted to the memory cgroup instead (commit 97306be45fbe)."""

_MAPS_UPDATED_FREELY = (5, 19)
"""Map updates through a descriptor need no capability any more where unprivileged BPF is off (commit c8644cd0efe7)."""

_ENOUGH_MEMLOCK_BYTES = 64 << 20
"""Rings, tables of two generations and scratch take about 20 MiB."""

_PARANOID_ALLOWED = 2
"""Upstream's highest perf_event_paranoid; Debian's 3 and Ubuntu's 4 are their own."""


def check_privileges(facts: Facts) -> Check:
    """The capabilities that loading and attaching take."""
    mine = facts.privileges
    who = "root" if mine.euid == 0 else f"user {mine.euid}"
    shown = ", ".join(name.upper() for name in ("bpf", "perfmon", "sys_admin", "sys_ptrace", "dac_read_search", "sys_resource") if mine.has(name))
    found = f"{who} with {shown or 'none of the capabilities Scout knows'}"
    split = facts.kernel.numbers[:2] >= _SPLIT_SYS_ADMIN
    needed = [name for name in ("bpf", "perfmon") if not mine.has(name, "sys_admin")] if split else ([] if mine.has("sys_admin") else ["sys_admin"])
    if needed:
        missing = " and ".join(f"CAP_{name.upper()}" for name in needed)
        return problem("privileges", found, f"{missing} missing: programs cannot be loaded", "run as root (sudo), or add the capability to the pod")
    if mine.in_initial_user_ns is False:
        return problem("privileges", f"{found}, in a user namespace", "the kernel does not count these for BPF", "run outside the user namespace")
    less = [f"CAP_{name.upper()}" for name in ("sys_ptrace", "dac_read_search") if not mine.has(name)]
    if less:
        return note("privileges", found, f"without {' and '.join(less)} other users' processes and files are seen less well", "add it to the pod")
    return ok("privileges", found)


def check_memlock(facts: Facts) -> Check:
    """The locked-memory limit, which maps count against on older kernels."""
    limit = facts.privileges.memlock_bytes
    found = "unlimited" if limit is None else f"{limit // 1024:,} KiB"
    if facts.kernel.numbers[:2] >= _MEMLOCK_GONE:
        return ok("locked memory", found, "not counted for BPF from 5.11 on")
    if limit is None or limit >= _ENOUGH_MEMLOCK_BYTES:
        return ok("locked memory", found)
    if facts.privileges.has("sys_resource"):
        return ok("locked memory", found, "raised at start (CAP_SYS_RESOURCE)")
    return problem("locked memory", found, "too little for the maps below 5.11", "ulimit -l unlimited, or add CAP_SYS_RESOURCE")


def check_perf_events(facts: Facts) -> Check:
    """kernel.perf_event_paranoid, which distributions have raised above what upstream knows."""
    level = facts.privileges.perf_event_paranoid
    if level is None:
        return note("perf events", "kernel.perf_event_paranoid cannot be read", "without perf events no tracepoint can be attached")
    if level > _PARANOID_ALLOWED and not facts.privileges.has("sys_admin"):
        found = f"kernel.perf_event_paranoid is {level}, which asks for CAP_SYS_ADMIN"
        return problem("perf events", found, "tracepoints cannot be attached", "sysctl kernel.perf_event_paranoid=2, or add CAP_SYS_ADMIN")
    return ok("perf events", f"kernel.perf_event_paranoid is {level}")


def check_unprivileged(facts: Facts) -> Check:
    """kernel.unprivileged_bpf_disabled: who else may use BPF, and what the agent must keep."""
    level = facts.privileges.unprivileged_bpf_disabled
    if level is None:
        return ok("unprivileged BPF", "kernel.unprivileged_bpf_disabled cannot be read")
    if level == 0:
        return note("unprivileged BPF", "every user may load BPF programs", fix="sysctl kernel.unprivileged_bpf_disabled=1")
    keeps = "" if facts.kernel.numbers[:2] >= _MAPS_UPDATED_FREELY else "the agent keeps CAP_BPF (or SYS_ADMIN) to update its tables"
    return ok("unprivileged BPF", f"off (kernel.unprivileged_bpf_disabled is {level})", keeps)


def check_lockdown(facts: Facts) -> Check:
    """Kernel lockdown: *confidentiality* forbids reading kernel memory, which is all that probes do."""
    mode = facts.privileges.lockdown
    if mode == "confidentiality":
        return problem("lockdown", mode, "programs may not read kernel memory", "boot with lockdown=integrity")
    return ok("lockdown", mode or "none")


def check_processes(facts: Facts) -> Check:
    """Whether process ids in /proc are the kernel's own."""
    if facts.privileges.in_host_pid_ns is None:
        return note("processes", "the own PID namespace cannot be seen", "process ids are taken for the host's")
    if facts.privileges.in_host_pid_ns:
        return ok("processes", "in the host's PID namespace")
    return problem("processes", "in a PID namespace of its own", "/proc shows other process ids than the kernel", "set hostPID: true for the pod")
