# SPDX-License-Identifier: Apache-2.0
"""
The status socket: a Unix socket that only the sensor's own user can reach.

What a running sensor tells here it tells to nobody else (its configuration, its
log), so the way there is narrow: the folder belongs to this user and nobody
else may write it, the socket has mode 0600, and no link is followed. What is
there already is removed only when it is a socket of this user that nobody
listens on: a dead sensor's. Sensors that start at the same time decide that one
after the other, under a lock on the folder (flock(2)). The socket goes when the
process ends in order, wherever it is then; SIGKILL leaves it to the next one.
"""

from __future__ import annotations

import atexit
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
_ATTEMPTS = 3
"""A sensor that ends removes the folder that it made, perhaps after this one has opened it; twice in a row is no chance any more."""
_HINT = "name another place with --status-socket, or none"


class LocalSocket:
    """
    A listening Unix socket; `remove` it before it is closed, or `close` does both.

    Raises:
        UsageError: somebody listens there, or the place is not fit for it; the message says which.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = -1
        self._made_folder = False
        self._bound: os.stat_result | None = None
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        atexit.register(self.remove)  # who is asked to end between here and the loop has nobody else to do it
        try:
            self._folder = self._own_folder()
            self._listen()
            fcntl.flock(self._folder, fcntl.LOCK_UN)
        except OSError as error:
            self.close()
            raise UsageError(f"cannot listen on {path}: {error.strerror or error}", hint=_HINT) from error
        except BaseException:
            self.close()
            raise

    def _own_folder(self) -> int:
        """Make, open and lock the folder; returns its descriptor."""
        folder = self.path.parent
        for _ in range(_ATTEMPTS):
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
                self._made_folder = True
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                self._refuse_others(os.fstat(fd))
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_same(os.fstat(fd), folder):
                    return fd
            except BlockingIOError as error:
                os.close(fd)
                raise UsageError(f"another sensor starts or ends in {folder} at this moment, or somebody holds its lock", hint=_HINT) from error
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        raise UsageError(f"{folder} does not stay where it is", hint=_HINT)

    def _refuse_others(self, folder: os.stat_result) -> None:
        if folder.st_uid != os.geteuid() or folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsageError(f"{self.path.parent} belongs to another user, or others may write it", hint=_HINT)

    def _listen(self) -> None:
        name = self.path.name
        with suppress(FileNotFoundError):
            there = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            if not stat.S_ISSOCK(there.st_mode):
                raise UsageError(f"{self.path} is no socket", hint="move it away, or name another place with --status-socket")
            if there.st_uid != os.geteuid():
                raise UsageError(f"{self.path} belongs to another user", hint=_HINT)
            if _somebody_listens(self.path):
                raise UsageError(f"another sensor, or something else, listens on {self.path}", hint=_HINT)
            os.unlink(name, dir_fd=self._folder)
        self.socket.bind(os.fspath(self.path))
        self._bound = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        os.chmod(name, 0o600, dir_fd=self._folder)  # nobody can connect before listen(2)
        self.socket.listen(BACKLOG)

    def remove(self) -> None:
        """Take the socket away, and the folder if it was made for it; who is connected stays so. May be called again."""
        if self._folder < 0:
            return
        with suppress(OSError):  # a file system that is read-only by now, a folder that is in use
            if self._bound and os.path.samestat(self._bound, os.stat(self.path.name, dir_fd=self._folder, follow_symlinks=False)):
                os.unlink(self.path.name, dir_fd=self._folder)
        with suppress(OSError):
            if self._made_folder and _is_same(os.fstat(self._folder), self.path.parent):
                fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.path.parent.rmdir()
        os.close(self._folder)
        self._folder = -1

    def close(self) -> None:
        """Remove it, then stop listening: as long as it has its name, whoever comes finds it living. May be called again."""
        self.remove()
        self.socket.close()
        atexit.unregister(self.remove)


def _is_same(folder: os.stat_result, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(folder, path.lstat())
    return False


def _somebody_listens(path: Path) -> bool:
    """Whether a socket has a living owner: only a dead one refuses; a full queue or another type of socket does otherwise (connect(2), unix(7))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
