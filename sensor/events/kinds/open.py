# SPDX-License-Identifier: Apache-2.0
"""A file was opened, or could not be."""

from __future__ import annotations

from sensor.events.common import ASKED_BYTES, PATH_BYTES
from sensor.events.spec import EventSpec, Field, Scalar, Tail

OPEN = EventSpec(
    name="open",
    number=3,
    doc="open, openat, openat2, creat, seen at their end",
    fields=(
        Field(name="ret", scalar=Scalar.I32, doc="the new descriptor, or the negative errno"),
        Field(name="dirfd", scalar=Scalar.I32, doc="directory descriptor of the call; AT_FDCWD is -100"),
        Field(name="open_flags", scalar=Scalar.U32, doc="flags of the call (file->f_flags has lost O_CREAT, O_TRUNC, O_EXCL)"),
        Field(name="file_flags", scalar=Scalar.U32, doc="file->f_flags of the opened file; 0 after a failure"),
        Field(name="syscall", scalar=Scalar.U32, doc="number of the system call in its own table"),
        Field(name="open_mode", scalar=Scalar.U32, doc="mode argument of the call"),
        Field(name="inode", scalar=Scalar.U64, doc="inode number of the opened file"),
    ),
    tails=(
        Tail(name="path", max_bytes=PATH_BYTES, doc="the opened file's path, resolved, from the mount namespace's root; empty after a failure"),
        Tail(name="fs_path", max_bytes=PATH_BYTES, doc="path inside its filesystem when FrameFlag.FS_PATH is set"),
        Tail(name="asked", max_bytes=ASKED_BYTES, doc="the path as asked for"),
    ),
)
