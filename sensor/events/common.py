# SPDX-License-Identifier: Apache-2.0
"""
What every frame carries: who acted, where, and how sure the kernel is of it.

All values are read from kernel objects in the context of the acting task.
Process ids are those of the host's PID namespace unless a name says otherwise.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from sensor.events.spec import Field, Scalar, Tail

COMM_BYTES = 16
"""TASK_COMM_LEN, include/linux/sched.h: 15 bytes and a NUL."""

MAX_ANCESTORS = 8
"""Parents told in a frame; deeper chains are rare outside build systems."""


PATH_BYTES = 1024
"""Most bytes of a resolved path, the NUL not counted; a longer one is cut at its front."""

CMDLINE_BYTES = 2048
"""Most bytes of a command line; a longer one is cut at its end."""

ASKED_BYTES = 512
"""Most bytes of a path as the program asked for it; a longer one is cut at its end."""

CGROUP_PATH_BYTES = 512
"""Most bytes of the cgroup's path; a longer one is cut at its front."""


class FrameFlag(IntFlag):
    """What the kernel knows about the values it sent."""

    PATH_CUT = 1 << 0
    """``path`` has lost its front: too deep or too long."""
    PATH_DELETED = 1 << 1
    """The file has no name any more (or never had one: O_TMPFILE)."""
    PATH_DETACHED = 1 << 2
    """``path`` does not end at the root of the task's mount namespace: a pipe, a memfd, a detached mount."""
    PATH_VOLUME_SKIPPED = 1 << 3
    """The kubelet's timestamped directory was left out of ``path``."""
    ASKED_CUT = 1 << 4
    """``asked`` was longer than the frame allows."""
    ASKED_FAULTED = 1 << 5
    """``asked`` could not be read from the program's memory."""
    EXE_CUT = 1 << 6
    """``exe_path`` has lost its front."""
    EXE_DELETED = 1 << 7
    """The executable's file has no name any more."""
    EXE_DETACHED = 1 << 8
    """The executable is a memfd or lies on a mount outside the namespace."""
    CWD_CUT = 1 << 9
    """``cwd`` has lost its front."""
    CMDLINE_CUT = 1 << 10
    """``cmdline`` was longer than the frame allows."""
    CMDLINE_FAULTED = 1 << 11
    """``cmdline`` could not be read."""
    CGROUP_CUT = 1 << 12
    """``cgroup_path`` has lost its front."""
    WORKLOAD_UNKNOWN = 1 << 13
    """The cgroup was not in the kernel's table: every clause a container could match stayed on."""
    PEER_UNKNOWN = 1 << 14
    """The peer's address could not be had from the socket and is what was asked."""
    FS_PATH = 1 << 15
    """The file was reached through a bind or detached mount and ``fs_path`` says where it lies in its filesystem."""
    BOOKKEEPING = 1 << 16
    """The frame tells the agent something (a flood, an exit); no rule is to be asked."""
    CREATION_UNSURE = 1 << 17
    """O_CREAT, O_EXCL, O_TRUNC and the mode lay in memory that others could write (openat2) and are what was found there at the call's end."""
    FLAGS_UNSURE = 1 << 18
    """So are all flags, and no file was opened that would show its own."""


ANCESTOR = (
    Field(name="start_ns", scalar=Scalar.U64, doc="the process's start, as in the frame's own ``start_ns``"),
    Field(name="arg_start", scalar=Scalar.U64, doc="where its arguments lie (mm->arg_start): every exec draws the place anew; 0 for a thread of the kernel's"),
    Field(name="exe_inode", scalar=Scalar.U64, doc="inode number of the image it runs"),
    Field(name="tgid", scalar=Scalar.U32, doc="process id"),
    Field(name="exe_dev", scalar=Scalar.U32, doc="device of the image's file system (s_dev: major << 20 | minor); 0 where the kernel's offsets do not tell"),
    Field(name="comm", count=COMM_BYTES, text=True, doc="its name"),
)
"""One entry of the ``ancestors`` tail, without gaps."""

ANCESTOR_BYTES = sum(field.size_bytes for field in ANCESTOR)
"""Its length, a multiple of 8: the kernel writes words."""


class Lane(IntEnum):
    """Which ring a frame came through."""

    COMMON = 0
    RESERVED = 1


HEADER = (
    Field(name="frame_bytes", scalar=Scalar.U32, doc="length of the frame in bytes; the perf transport pads behind it"),
    Field(name="kind", scalar=Scalar.U16, doc="number of the event kind"),
    Field(name="lane", scalar=Scalar.U8, doc="`Lane`"),
    Field(name="ancestors_count", scalar=Scalar.U8, doc="entries of the ancestors tail"),
    Field(name="ts_ns", scalar=Scalar.U64, doc="bpf_ktime_get_ns(): CLOCK_MONOTONIC, ns"),
    Field(name="flags", scalar=Scalar.U32, doc="`FrameFlag` bits"),
    Field(name="generation", scalar=Scalar.U32, doc="number of the table generation that classified it"),
    Field(name="candidates", scalar=Scalar.U64, count=4, doc="clause bits left, word 0 has clauses 0 to 63"),
)

PROCESS = (
    Field(name="cgroup_id", scalar=Scalar.U64, doc="kernfs id of the cgroup directory that names the workload"),
    Field(name="start_ns", scalar=Scalar.U64, doc="the process's start, ns since boot (start_boottime, or start_time below 5.5)"),
    Field(name="cap_effective", scalar=Scalar.U64, doc="effective capabilities, one bit each"),
    Field(name="cap_permitted", scalar=Scalar.U64, doc="permitted capabilities"),
    Field(name="arg_start", scalar=Scalar.U64, doc="where its arguments lie, as in `ANCESTOR`"),
    Field(name="exe_inode", scalar=Scalar.U64, doc="inode number of the image it runs, as there"),
    Field(name="tgid", scalar=Scalar.U32, doc="process id"),
    Field(name="tid", scalar=Scalar.U32, doc="thread id"),
    Field(name="ppid", scalar=Scalar.U32, doc="process id of the real parent"),
    Field(name="ns_tgid", scalar=Scalar.U32, doc="process id in its own PID namespace"),
    Field(name="sid", scalar=Scalar.U32, doc="session id (process id of its leader)"),
    Field(name="pgid", scalar=Scalar.U32, doc="process group id (process id of its leader)"),
    Field(name="exe_dev", scalar=Scalar.U32, doc="device of the image's file system, as in `ANCESTOR`"),
    Field(name="ns_pgid", scalar=Scalar.U32, doc="process group id in its own PID namespace; 0 for a group from outside of it"),
    Field(name="tty_dev", scalar=Scalar.U32, doc="controlling terminal as major << 20 | minor; 0 for none"),
    Field(name="uid", scalar=Scalar.U32, doc="real user id, initial user namespace"),
    Field(name="gid", scalar=Scalar.U32, doc="real group id"),
    Field(name="euid", scalar=Scalar.U32, doc="effective user id"),
    Field(name="egid", scalar=Scalar.U32, doc="effective group id"),
    Field(name="loginuid", scalar=Scalar.U32, doc="audit login user id; 0xffffffff when never set"),
    Field(name="mnt_ns", scalar=Scalar.U32, doc="inode number of the mount namespace"),
    Field(name="pid_ns", scalar=Scalar.U32, doc="inode number of the PID namespace"),
    Field(name="net_ns", scalar=Scalar.U32, doc="inode number of the network namespace"),
    Field(name="user_ns", scalar=Scalar.U32, doc="inode number of the user namespace"),
    Field(name="profile", scalar=Scalar.U32, doc="workload profile the kernel tested (`sensor.events.dimensions.Profile`)"),
    Field(name="comm", count=COMM_BYTES, text=True, doc="name of the process (of its group leader)"),
    Field(name="pcomm", count=COMM_BYTES, text=True, doc="name of the parent process"),
)

SHARED_TAILS = (
    Tail(name="ancestors", max_bytes=MAX_ANCESTORS * ANCESTOR_BYTES, doc="parents, nearest first: an `ANCESTOR` each"),
    Tail(name="exe_path", max_bytes=PATH_BYTES, doc="resolved path of the executable in the mount namespace"),
    Tail(name="cwd", max_bytes=PATH_BYTES, doc="working directory in the mount namespace"),
    Tail(name="cgroup_path", max_bytes=CGROUP_PATH_BYTES, doc="path of the cgroup below its hierarchy's root"),
    Tail(name="cmdline", max_bytes=CMDLINE_BYTES, doc="arguments, each ended by a NUL"),
)
