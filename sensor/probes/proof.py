# SPDX-License-Identifier: Apache-2.0
"""
The offsets, proven on the agent itself before a rule is asked.

The agent does an act, its own probes report it, and what they read about the
agent is compared with what /proc says of it. A difference names the structure
members that were read on the way, and the agent refuses to go on: whoever reads
the wrong field sees garbage of everybody else too.

What /proc does not say (another PID namespace, no audit, a link that may not be
read) is not compared and counts as neither. How the act comes about and how
its event is waited for belongs to the agent's start.

Source: proc(5); the members are those that bpf/prelude/identity.c and bpf/include/path.h read.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.core.privileges import INITIAL_PID_NS, INITIAL_USER_NS, namespace_inode, read_text, status_fields
from sensor.events.common import MAX_ANCESTORS, FrameFlag

if TYPE_CHECKING:
    from collections.abc import Mapping

_TICKS_PER_S = 100
"""USER_HZ, in which /proc tells start times; 100 on x86-64 and arm64 (include/asm-generic/param.h)."""

_NS_PER_TICK = 1_000_000_000 // _TICKS_PER_S

_PATH_MEMBERS = "dentry.d_parent, dentry.d_name, vfsmount.mnt_root, mount.mnt, mount.mnt_parent, mount.mnt_mountpoint"

MEMBERS: Mapping[str, str] = {
    "tgid": "the helper bpf_get_current_pid_tgid",
    "tid": "the helper bpf_get_current_pid_tgid",
    "ns_tgid": "task_struct.thread_pid or .pids, pid.level, pid.numbers",
    "ppid": "task_struct.group_leader, task_struct.real_parent, task_struct.tgid",
    "start_ns": "task_struct.start_boottime",
    "comm": "task_struct.group_leader, task_struct.comm",
    "pcomm": "task_struct.real_parent, task_struct.comm",
    "ancestors": "task_struct.real_parent, task_struct.tgid, task_struct.comm",
    "sid": "task_struct.signal, signal_struct.pids or task_struct.pids, pid.numbers",
    "pgid": "task_struct.signal, signal_struct.pids or task_struct.pids, pid.numbers",
    "tty_dev": "signal_struct.tty, tty_struct.driver, tty_struct.index, tty_driver.major, tty_driver.minor_start",
    "uid": "task_struct.cred, cred.uid",
    "gid": "task_struct.cred, cred.gid",
    "euid": "task_struct.cred, cred.euid",
    "egid": "task_struct.cred, cred.egid",
    "cap_effective": "task_struct.cred, cred.cap_effective",
    "cap_permitted": "task_struct.cred, cred.cap_permitted",
    "loginuid": "task_struct.loginuid",
    "mnt_ns": "task_struct.nsproxy, nsproxy.mnt_ns, mnt_namespace.ns.inum",
    "pid_ns": "pid.numbers, pid_namespace.ns.inum",
    "net_ns": "task_struct.nsproxy, nsproxy.net_ns, net.ns.inum",
    "user_ns": "cred.user_ns, user_namespace.ns.inum",
    "cgroup_id": "task_struct.cgroups, css_set.subsys or .dfl_cgrp, cgroup_subsys_state.cgroup, cgroup.kn, kernfs_node.id",
    "cgroup_path": "kernfs_node.name, kernfs_node.parent",
    "exe_path": f"task_struct.mm, mm_struct.exe_file, file.f_path, {_PATH_MEMBERS}",
    "cwd": f"task_struct.fs, fs_struct.pwd, {_PATH_MEMBERS}",
    "cmdline": "mm_struct.arg_start, mm_struct.arg_end",
    "ret": "the record of a system call's end",
    "asked": "task_struct.stack, and the registers below its top; of an exec linux_binprm.filename",
    "open_flags": "task_struct.stack, and the registers below its top",
    "open_mode": "task_struct.stack, and the registers below its top",
    "dirfd": "task_struct.stack, and the registers below its top",
    "fd": "task_struct.stack, and the registers below its top",
    "interpreter": "linux_binprm.interp",
    "path": f"task_struct.files, files_struct.fdt, fdtable.fd, file.f_path, {_PATH_MEMBERS}",
    "inode": "file.f_inode, inode.i_ino",
    "file_flags": "file.f_flags",
    "daddr": "file.private_data, socket.sk, sock.__sk_common.skc_daddr",
    "saddr": "file.private_data, socket.sk, sock.__sk_common.skc_rcv_saddr",
    "dport": "sock.__sk_common.skc_dport",
    "sport": "sock.__sk_common.skc_num",
    "family": "sock.__sk_common.skc_family",
    "protocol": "sock.sk_protocol",
}
"""An event's attribute → what was read to get it."""

_UNSURE = {
    "exe_path": FrameFlag.EXE_CUT | FrameFlag.EXE_DETACHED,
    "cwd": FrameFlag.CWD_CUT,
    "cmdline": FrameFlag.CMDLINE_CUT | FrameFlag.CMDLINE_FAULTED,
    "cgroup_path": FrameFlag.CGROUP_CUT,
    "path": FrameFlag.PATH_CUT,
}
"""Flags by which the frame itself says that the value is not whole."""

_CUT = {
    "exe_path": FrameFlag.EXE_CUT,
    "cwd": FrameFlag.CWD_CUT,
    "path": FrameFlag.PATH_CUT,
    "cgroup_path": FrameFlag.CGROUP_CUT,
    "cmdline": FrameFlag.CMDLINE_CUT,
}
"""Those among them that only a long value has; a path that cannot be walked is cut, too."""

_WHOLE_BYTES, _WHOLE_NAMES = 200, 20
"""A value this short is never cut: half of the shortest tail (`CGROUP_PATH_BYTES`), half the names that a walk takes on 4.14 (bpf/include/limits.h)."""

_SHOWN_CHARACTERS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What /proc says of this process."""

    values: Mapping[str, object]
    """An event's attribute → the value it must have; what could not be had is left out."""

    chrooted: bool
    """Paths begin at a root of our own: the kernel's, from the namespace's root, may be longer at their front."""


def own_truth(*, proc: Path = Path("/proc"), tid: int | None = None, cgroup_id: int | None = None, cgroup_path: bytes | None = None) -> Truth:
    """
    Read the truth about this process.

    Args:
        proc: where procfs is mounted.
        tid: the thread that did the act, in the host's numbers; the calling one.
        cgroup_id: id of the own cgroup's directory in the hierarchy that names workloads
            (`sensor.workloads.cgroups.kernfs_id`; below 5.5 its low 32 bits); ``None`` leaves it out.
        cgroup_path: its path below the hierarchy's root; ``None`` leaves it out.
    """
    process = proc / "self"
    status = status_fields(read_text(process / "status") or "")
    known: dict[str, object | None] = {
        "ns_tgid": _number((status.get("NStgid") or "").rpartition("\t")[2]),
        "comm": _bytes(process / "comm", strip=b"\n"),
        "cap_effective": _number(status.get("CapEff"), base=16),
        "cap_permitted": _number(status.get("CapPrm"), base=16),
        "mnt_ns": namespace_inode(process, "mnt"),
        "pid_ns": namespace_inode(process, "pid"),
        "net_ns": namespace_inode(process, "net"),
        "user_ns": namespace_inode(process, "user"),
        "cmdline": _bytes(process / "cmdline"),
        "cwd": _link(process / "cwd"),
        "exe_path": _link(process / "exe"),
        "cgroup_id": cgroup_id,
        "cgroup_path": cgroup_path,
    }
    known |= _stat_values(process)
    if known["user_ns"] in (None, INITIAL_USER_NS):
        known |= _user_values(process, status)
    if known["pid_ns"] in (None, INITIAL_PID_NS):
        known |= _pid_values(proc, status, threading.get_native_id() if tid is None else tid)
    mounts = read_text(process / "mountinfo") or ""
    chrooted = not any(line.split(" ")[4:5] == ["/"] for line in mounts.splitlines())
    return Truth(values={name: value for name, value in known.items() if value is not None}, chrooted=chrooted)


def prove(event: Any, truth: Truth, expected: Mapping[str, object] | None = None) -> list[str]:  # noqa: ANN401  # generated classes have no common type
    """
    Compare what the probes read about the agent with the truth.

    Args:
        event: a decoded event of an act of the agent's own; attributes the kind does not have are not compared.
        truth: from `own_truth`, read by the thread that did the act.
        expected: what is known of the act itself besides (``{"inode": 4711, "path": b"/etc/hosts"}``).

    Returns:
        A sentence for each difference, naming the structure members that were read; empty when all is proven.
    """
    wanted = {**truth.values, **(expected or {})}
    flags = FrameFlag(event.flags)
    problems = []
    if event.kind_name == "open" and flags & FrameFlag.PATH_DETACHED and not truth.chrooted:
        problems.append("path: it does not end at the root of the mount namespace (read through task_struct.nsproxy, mnt_namespace.root, vfsmount.mnt_root)")
    for name, value in wanted.items():
        if not hasattr(event, name):
            continue
        read = getattr(event, name)
        members = MEMBERS.get(name, "members of its own")
        if flags & _UNSURE.get(name, FrameFlag(0)):
            if flags & _CUT[name] and isinstance(value, bytes) and len(value) <= _WHOLE_BYTES and value.count(b"/") <= _WHOLE_NAMES and not truth.chrooted:
                problems.append(f"{name}: the probes read no more than {_shown(read)}, the truth is {_shown(value)} (read through {members})")
        elif not _agrees(name, read, value, truth):
            problems.append(f"{name}: the probes read {_shown(read)}, the truth is {_shown(value)} (read through {members})")
    return problems


def _agrees(name: str, read: Any, value: Any, truth: Truth) -> bool:  # noqa: ANN401  # a field's type depends on its name
    if name == "start_ns":
        return bool(read // _NS_PER_TICK == value)
    if name in ("exe_path", "cwd", "path") and truth.chrooted:
        return bool(value == b"/" or read.endswith(value))
    if name == "cgroup_path":  # a cgroup namespace shows only the path's end
        return bool(value in (read, b"/") or value.startswith(b"/..") or read.endswith(value))
    if name == "ancestors":
        return bool(read[: len(value)] == value)
    return bool(read == value)


def _stat_values(process: Path) -> dict[str, object | None]:
    """Terminal and start time from ``/proc/PID/stat``; fields 7 and 22, counted from behind the name, which may hold anything."""
    fields = (read_text(process / "stat") or "").rpartition(")")[2].split()
    if len(fields) < 20:  # noqa: PLR2004  # state is field 3, so starttime is the 20th from there
        return {}
    device = int(fields[4]) & 0xFFFFFFFF
    minor = device & 0xFF | device >> 12 & 0xFFF00  # new_encode_dev(), include/linux/kdev_t.h
    return {"tty_dev": (device >> 8 & 0xFFF) << 20 | minor, "start_ns": int(fields[19])}


def _user_values(process: Path, status: Mapping[str, str]) -> dict[str, object | None]:
    """User ids as the initial namespace has them."""
    uids, gids = (status.get("Uid") or "").split(), (status.get("Gid") or "").split()
    values: dict[str, object | None] = {"loginuid": _number(read_text(process / "loginuid"))}
    if len(uids) == len(gids) == 4:  # noqa: PLR2004  # real, effective, saved, file system
        values |= {"uid": int(uids[0]), "euid": int(uids[1]), "gid": int(gids[0]), "egid": int(gids[1])}
    return values


def _pid_values(proc: Path, status: Mapping[str, str], tid: int) -> dict[str, object | None]:
    """Process ids, which are the kernel's own only in the host's PID namespace."""
    parent = _number(status.get("PPid"))
    ancestors: list[tuple[int, bytes]] = []
    at = parent
    while at and len(ancestors) < MAX_ANCESTORS:
        name = _bytes(proc / str(at) / "comm", strip=b"\n")
        if name is None:
            break
        ancestors.append((at, name))
        at = _number(status_fields(read_text(proc / str(at) / "status") or "").get("PPid"))
    return {
        "tgid": _number(status.get("Tgid")),
        "tid": tid,
        "ppid": parent,
        "pcomm": ancestors[0][1] if ancestors else None,
        "ancestors": tuple(ancestors) or None,
        "sid": os.getsid(0),
        "pgid": os.getpgid(0),
    }


def _number(text: str | None, base: int = 10) -> int | None:
    try:
        return int(text or "", base)
    except ValueError:
        return None


def _bytes(path: Path, strip: bytes = b"") -> bytes | None:
    try:
        return path.read_bytes().removesuffix(strip)
    except OSError:
        return None


def _link(path: Path) -> bytes | None:
    try:
        return os.fsencode(path.readlink()).removesuffix(b" (deleted)")
    except OSError:
        return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
