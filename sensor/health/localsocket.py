# SPDX-License-Identifier: Apache-2.0
"""
The status socket: a Unix socket that only the sensor's own user can reach.

What a running sensor tells here it tells to nobody else (its configuration, its
log), so the way there is narrow: the folder belongs to this user and nobody
else may write it, the socket has mode 0600, no link is followed, and nothing is
removed that is not a socket of ours. One sensor at a time has a folder: it
holds a lock on it (flock(2)), which ends with the process however it ends, so
a socket without its lock is a dead sensor's and is replaced.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from sensor.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

BACKLOG = 64
_HINT = "name another place with --status-socket, or none"


class LocalSocket:
    """
    A listening Unix socket.

    Raises:
        UsageError: another sensor listens there, or the place is not fit for it; the message says which.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = -1
        self._made_folder = self._bound = False
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._folder = self._own_folder()
            self._listen()
        except OSError as error:
            self.close()
            raise UsageError(f"cannot listen on {path}: {error.strerror or error}", hint=_HINT) from error
        except UsageError:
            self.close()
            raise

    def _own_folder(self) -> int:
        """Make, open and lock the folder; returns its descriptor."""
        folder = self.path.parent
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            self._made_folder = True
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._refuse_others(os.fstat(fd))
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise UsageError(f"another sensor listens on {self.path}", hint=_HINT) from error
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _refuse_others(self, folder: os.stat_result) -> None:
        if folder.st_uid != os.geteuid() or folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsageError(f"{self.path.parent} belongs to another user, or others may write it", hint=_HINT)

    def _listen(self) -> None:
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.stat(self.path.name, dir_fd=self._folder, follow_symlinks=False).st_mode):
                raise UsageError(f"{self.path} is no socket", hint="move it away, or name another place with --status-socket")
            os.unlink(self.path.name, dir_fd=self._folder)
        self.socket.bind(os.fspath(self.path))
        self._bound = True
        os.chmod(self.path.name, 0o600, dir_fd=self._folder)
        self.socket.listen(BACKLOG)

    def close(self) -> None:
        """Stop listening and remove the socket, and the folder if it was made for it; may be called again."""
        self.socket.close()
        if self._folder >= 0:
            if self._bound:
                with suppress(OSError):
                    os.unlink(self.path.name, dir_fd=self._folder)
            if self._made_folder:
                with suppress(OSError):
                    self.path.parent.rmdir()
            os.close(self._folder)
            self._folder = -1
