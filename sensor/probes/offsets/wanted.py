# SPDX-License-Identifier: Apache-2.0
"""
Every kernel structure member the probes read, by the name the C side uses.

``OFF_task_struct__files`` in C is the byte offset of ``task_struct.files``.
Kernels rename members; the spellings are tried in order and the first that the
source knows wins. An optional member may be missing: the C side asks with
``#ifdef OFF_…``. Nothing else in the sensor may know an offset.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """One offset: where it is, how it was and is spelt, whether the sensor can do without."""

    struct: str
    spellings: tuple[str, ...]
    optional: bool = False
    macro_struct: str = ""

    @property
    def macro(self) -> str:
        """The C macro without ``OFF_``: struct, two underscores, the first spelling with dots as two underscores."""
        return f"{self.macro_struct or self.struct}__{self.spellings[0].replace('.', '__')}"


def _members(struct: str, *names: str) -> tuple[Wanted, ...]:
    return tuple(Wanted(struct, (name,)) for name in names)


WANTED: tuple[Wanted, ...] = (
    *_members("task_struct", "stack", "mm", "tgid", "real_parent", "group_leader", "cred", "comm"),
    *_members("task_struct", "fs", "files", "nsproxy", "signal", "cgroups", "exit_code"),
    Wanted("task_struct", ("start_boottime", "real_start_time")),  # renamed in 5.5
    Wanted("task_struct", ("loginuid",), optional=True),  # CONFIG_AUDIT
    Wanted("task_struct", ("thread_pid",), optional=True),  # before 4.19: pids[PIDTYPE_PID].pid
    Wanted("task_struct", ("pids",), optional=True),  # before 4.19: array of struct pid_link {hlist_node; struct pid *}
    Wanted("signal_struct", ("pids",), optional=True),  # from 4.19: array of struct pid *
    *_members("signal_struct", "live", "flags", "tty", "group_exit_code"),
    *_members("pid", "level", "numbers"),
    Wanted("upid", ("pid_chain",), optional=True),  # before 4.15: then an entry of pid.numbers is longer
    *_members("tty_struct", "driver", "index"),
    *_members("tty_driver", "major", "minor_start"),
    *_members("cred", "uid", "gid", "euid", "egid", "cap_permitted", "cap_effective", "user_ns"),
    *_members("nsproxy", "mnt_ns", "net_ns"),
    *_members("mnt_namespace", "root", "ns.inum"),
    *_members("pid_namespace", "ns.inum"),
    *_members("user_namespace", "ns.inum"),
    *_members("net", "ns.inum"),
    *_members("fs_struct", "pwd.mnt", "pwd.dentry"),
    *_members("mm_struct", "exe_file", "arg_start", "arg_end"),
    *_members("files_struct", "fdt"),
    *_members("fdtable", "fd"),
    *_members("file", "f_flags", "f_path.mnt", "f_path.dentry", "f_inode", "private_data"),
    *_members("inode", "i_ino"),
    *_members("dentry", "d_hash.pprev", "d_parent", "d_name.len", "d_name.name"),
    Wanted("dentry", ("d_iname", "d_shortname"), optional=True),  # renamed in 6.14; where short names lie, in the dentry itself
    *_members("vfsmount", "mnt_root"),
    Wanted("super_block", ("s_dev",), optional=True),  # without it a container that mounts the node's root shows the container's paths alone
    *_members("mount", "mnt", "mnt_parent", "mnt_mountpoint"),
    *_members("css_set", "subsys", "dfl_cgrp"),
    *_members("cgroup_subsys_state", "cgroup"),
    *_members("cgroup", "kn"),
    *_members("kernfs_node", "id", "name"),
    Wanted("kernfs_node", ("parent", "__parent")),  # renamed in 6.15
    *_members("linux_binprm", "filename", "interp", "file"),
    *_members("socket", "sk"),
    *_members("sock", "__sk_common.skc_family", "__sk_common.skc_dport", "__sk_common.skc_num"),
    *_members("sock", "__sk_common.skc_daddr", "__sk_common.skc_rcv_saddr"),
    Wanted("sock", ("__sk_common.skc_v6_daddr",), optional=True),  # CONFIG_IPV6
    Wanted("sock", ("__sk_common.skc_v6_rcv_saddr",), optional=True),
    Wanted("sock", ("sk_protocol",), optional=True),  # a bit field before 5.6
)


@dataclass(frozen=True, slots=True)
class WantedTracepoint:
    """A member of a tracepoint's record, from its ``format`` file under tracefs."""

    category: str
    event: str
    field: str

    @property
    def macro(self) -> str:
        """The C macro without ``OFF_``: ``tp_``, the event, two underscores, the field."""
        return f"tp_{self.event}__{self.field}"


WANTED_TRACEPOINTS: tuple[WantedTracepoint, ...] = (
    WantedTracepoint("syscalls", "sys_exit_openat", "__syscall_nr"),
    WantedTracepoint("syscalls", "sys_exit_openat", "ret"),
    WantedTracepoint("sched", "sched_process_exec", "filename"),
    *(
        WantedTracepoint("sock", "inet_sock_set_state", name)
        for name in ("skaddr", "newstate", "sport", "dport", "family", "protocol", "saddr", "daddr", "saddr_v6", "daddr_v6")
    ),
)
"""The syscalls' exits all have openat's layout (kernel/trace/trace_syscalls.c, struct syscall_trace_exit)."""
