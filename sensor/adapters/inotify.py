# SPDX-License-Identifier: Apache-2.0
"""
Be told when files change, without looking every second. inotify(7), through ctypes.

Folders are watched rather than files: editors and the kubelet replace files by
renaming, which a watch on the file itself would miss.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CHANGES = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400
"""IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF."""
_BUFFER_BYTES = 64 * 1024
MAX_FOLDERS = 4096
"""Folders watched; the limit of the kernel is 8,192 for a user on small machines."""


class Watch:
    """Watches the folders of *paths* (a folder: all below it)."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        """Readable when something changed. Raises OSError when the kernel has no more."""
        if self.fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self.renew(paths)

    def renew(self, paths: Iterable[Path]) -> None:
        """Watch folders that have come since, too; one that cannot be watched is left out (SIGHUP still works)."""
        folders: list[Path] = []
        for path in paths:
            if path.is_dir():
                folders += [path, *(entry for entry in sorted(path.rglob("*")) if entry.is_dir() and not entry.is_symlink())]
            else:
                folders.append(path.parent)
        for folder in folders[:MAX_FOLDERS]:
            self._libc.inotify_add_watch(self.fd, os.fsencode(folder), ctypes.c_uint32(_CHANGES))

    def drain(self) -> bool:
        """Forget what has happened; says whether anything has."""
        happened = False
        try:
            while os.read(self.fd, _BUFFER_BYTES):
                happened = True
        except BlockingIOError:
            return happened
        return happened

    def close(self) -> None:
        """Stop watching."""
        os.close(self.fd)
