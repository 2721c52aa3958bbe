# SPDX-License-Identifier: Apache-2.0
"""
What this process may do, and the switches of the kernel that decide it.

Read from /proc and /sys only: nothing is tried, nothing is changed, and a file
that cannot be read is reported as not known, never as allowed. What follows
from the answers is for `sensor.doctor` and the start of the agent to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CAPABILITIES = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
]
"""Capabilities by bit number (include/uapi/linux/capability.h); ``perfmon`` and ``bpf`` are from 5.8."""

INITIAL_PID_NS = 0xEFFFFFFC
"""PROC_PID_INIT_INO, include/linux/proc_ns.h: the inode of the host's PID namespace."""

INITIAL_USER_NS = 0xEFFFFFFD
"""PROC_USER_INIT_INO, include/linux/proc_ns.h: the inode of the initial user namespace."""

_SMALL_FILE_BYTES = 65_536
"""More than any file read here has; a bound for a /proc that is not one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Privileges:
    """This process's credentials and the kernel's switches; ``None`` is "could not be seen"."""

    euid: int
    """Effective user id, in this process's user namespace."""

    effective: frozenset[str]
    """Effective capabilities, names as in `CAPABILITIES`; bits without a name are left out."""

    in_host_pid_ns: bool | None
    """Whether process ids mean what the kernel's own ids mean."""

    in_initial_user_ns: bool | None
    """Whether user ids and capabilities count for the whole machine."""

    unprivileged_bpf_disabled: int | None
    """kernel.unprivileged_bpf_disabled: 0 allowed, 1 locked off, 2 off."""

    perf_event_paranoid: int | None
    """kernel.perf_event_paranoid: above 2 (Debian 3, Ubuntu 4) more than CAP_PERFMON may be asked."""

    bpf_stats_enabled: bool | None
    """kernel.bpf_stats_enabled: the kernel adds up the programs' run time."""

    lockdown: str
    """``none``, ``integrity``, ``confidentiality``; empty when the kernel has no lockdown or it cannot be seen."""

    memlock_bytes: int | None
    """The soft RLIMIT_MEMLOCK; ``None`` is unlimited. Maps count against it below 5.11."""

    def has(self, *names: str) -> bool:
        """Whether any of the capabilities *names* is effective."""
        return any(name in self.effective for name in names)


def read_text(path: Path) -> str | None:
    """The file's first 64 KiB as text (bad UTF-8 replaced), stripped; ``None`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_SMALL_FILE_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return None


def read_int(path: Path) -> int | None:
    """The file's content as an integer; ``None`` when it cannot be read or is none."""
    text = read_text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def status_fields(status: str) -> dict[str, str]:
    """``/proc/PID/status`` as a dictionary: ``Name`` → ``bash`` (proc(5))."""
    return {key: value.strip() for key, separator, value in (line.partition(":") for line in status.splitlines()) if separator}


def capability_names(mask: int) -> frozenset[str]:
    """The names of the bits set in a capability *mask*."""
    return frozenset(name for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1)


def namespace_inode(process: Path, name: str) -> int | None:
    """The inode number of a namespace of the process (``/proc/PID/ns/NAME``, namespaces(7)); ``None`` when not to be seen."""
    try:
        target = (process / "ns" / name).readlink().as_posix()
    except OSError:
        return None
    number = target.partition("[")[2].rstrip("]")
    return int(number) if number.isdecimal() else None


def own_privileges(root: Path = Path("/")) -> Privileges:
    """What this process may do. *root* is where ``proc`` and ``sys`` lie; tests pass another."""
    process = root / "proc/self"
    fields = status_fields(read_text(process / "status") or "")
    sysctl = root / "proc/sys/kernel"
    pid_ns = namespace_inode(process, "pid")
    user_ns = namespace_inode(process, "user")
    stats = read_int(sysctl / "bpf_stats_enabled")
    return Privileges(
        euid=int((fields.get("Uid") or "0 65534").split()[1]),
        effective=capability_names(int(fields.get("CapEff") or "0", 16)),
        in_host_pid_ns=None if pid_ns is None else pid_ns == INITIAL_PID_NS,
        in_initial_user_ns=None if user_ns is None else user_ns == INITIAL_USER_NS,
        unprivileged_bpf_disabled=read_int(sysctl / "unprivileged_bpf_disabled"),
        perf_event_paranoid=read_int(sysctl / "perf_event_paranoid"),
        bpf_stats_enabled=None if stats is None else stats > 0,
        lockdown=_lockdown(read_text(root / "sys/kernel/security/lockdown") or ""),
        memlock_bytes=_memlock(read_text(process / "limits") or ""),
    )


def _lockdown(text: str) -> str:
    """The mode in brackets: ``none [integrity] confidentiality`` (kernel_lockdown(7))."""
    return text.partition("[")[2].partition("]")[0]


def _memlock(limits: str) -> int | None:
    for line in limits.splitlines():
        if line.startswith("Max locked memory"):
            soft = line.removeprefix("Max locked memory").split()[0]
            return int(soft) if soft.isdecimal() else None
    return None
