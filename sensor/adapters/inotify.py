# SPDX-License-Identifier: Apache-2.0
"""
Be told when files change, without looking every second. inotify(7), through ctypes.

Folders are watched rather than files: editors and the kubelet replace files by
renaming, which a watch on the file itself would miss. What else happens in the
folder of a watched file is no news, so that rules in a busy folder are not
loaded again and again.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CHANGES = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400
"""IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF."""
_OVERFLOW, _IGNORED = 0x4000, 0x8000
"""IN_Q_OVERFLOW: something was not told. IN_IGNORED: a watch has ended with its folder."""
_EVENT = struct.Struct("=iIII")
"""struct inotify_event: watch, mask, cookie, length of the name behind it (padded with zeros)."""
_BUFFER_BYTES = 64 * 1024
MAX_FOLDERS = 4096
"""Folders watched; the limit of the kernel is 8,192 for a user on small machines."""

_KUBELET_PREFIX = b".."
"""A mounted ConfigMap changes by a new ``..data`` link; the files themselves are links through it."""


class Watch:
    """Watches the folders of *paths* (a folder: all below it), also where a link leads."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._names: dict[int, set[bytes] | None] = {}
        """Watch → the names that are news in that folder; None: all."""
        self.fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        """Readable when something changed. Raises OSError when the kernel has no more."""
        if self.fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self.renew(paths)

    def renew(self, paths: Iterable[Path]) -> None:
        """Watch folders that have come since, too; one that cannot be watched is left out (SIGHUP still works)."""
        wanted: dict[Path, set[bytes] | None] = {}
        for path in paths:
            if path.is_dir():
                below = sorted(entry for entry in path.rglob("*") if entry.is_dir() and not entry.is_symlink())
                wanted |= dict.fromkeys([path, *below])
                continue
            for file in {path, path.resolve()}:
                names = wanted.setdefault(file.parent, set())
                if names is not None:
                    names.add(os.fsencode(file.name))
        for folder, names in list(wanted.items())[:MAX_FOLDERS]:
            watch = self._libc.inotify_add_watch(self.fd, os.fsencode(folder), ctypes.c_uint32(_CHANGES))
            if watch >= 0:  # the same number again for a folder that is watched already
                self._names[watch] = names

    def drain(self) -> bool:
        """Forget what has happened; says whether any of it is news."""
        is_news = False
        try:
            while data := os.read(self.fd, _BUFFER_BYTES):
                is_news = self._has_news(data) or is_news
        except BlockingIOError:
            return is_news
        return is_news

    def _has_news(self, data: bytes) -> bool:
        at, is_news = 0, False
        while at < len(data):
            watch, mask, _cookie, length = _EVENT.unpack_from(data, at)
            name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            if mask & _IGNORED:
                self._names.pop(watch, None)
                continue
            names = self._names.get(watch)
            is_news = is_news or bool(mask & _OVERFLOW) or names is None or not name or name in names or name.startswith(_KUBELET_PREFIX)
        return is_news

    def close(self) -> None:
        """Stop watching."""
        os.close(self.fd)
