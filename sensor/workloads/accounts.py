# SPDX-License-Identifier: Apache-2.0
"""
What users and groups are called where a process lives: by the host's files, or by its container's own.

A container's file is anything that its image, or root in it, made it: a link
to the node's /etc/shadow, a pipe, a device, a gigabyte, a file system that does
not answer. So it is opened below the process's root one component after the
other, never through a link; only a regular file of at most `FILE_BYTES` is
read, by a thread of its own with a deadline (`sensor.workloads.aside`). A name
is what the container says; it proves nothing about the node.

Names are looked up by the number that the process's user namespace has for the
user (uid_map, user_namespaces(7)). They are kept for `KEPT_NS` of the events'
time by container, mount namespace *and* user namespace: a user of the container
can make namespaces of their own and a file in them that says anything.

Left out: users that the host knows from elsewhere (LDAP, nss modules), and
files that are links, as some distributions have them.
"""

from __future__ import annotations

import os
import re
import stat
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sensor.events.around import Account
from sensor.events.dimensions import Profile
from sensor.workloads.processes import is_started

if TYPE_CHECKING:
    from sensor.workloads.aside import Aside

FILE_BYTES = 1 << 20
"""Longest file that is read; one with 10,000 users has some 600 KB."""

NAME_BYTES = 256
"""Longest name, home and shell that are shown: LOGIN_NAME_MAX (limits.h); a line with a longer one is skipped."""

MAX_NAMES = 4_096
"""Answers kept, each some 300 bytes."""

KEPT_NS = 60_000_000_000
"""How old an answer may be: a user that is renamed keeps the old name for as long."""

_MAP_BYTES = 16_384
"""uid_map has at most 340 lines (user_namespaces(7)); a longer one is not read to its end, and names of users there are not known."""


class File(NamedTuple):
    """A file of names below etc, the file in /proc/PID that translates its numbers, and what a line looks like."""

    name: str
    map_name: str
    line: bytes


_TEXT = rb"[^:\n\0]"
_USER_LINE = rb"(?m)^(%s{1,%d}):[^:\n]*:0*%%d:[^:\n]*:[^:\n]*:(%s{0,%d}):(%s{0,%d})$" % (_TEXT, NAME_BYTES, _TEXT, NAME_BYTES, _TEXT, NAME_BYTES)
_GROUP_LINE = rb"(?m)^(%s{1,%d}):[^:\n]*:0*%%d:" % (_TEXT, NAME_BYTES)

USERS = File("passwd", "uid_map", _USER_LINE)
GROUPS = File("group", "gid_map", _GROUP_LINE)


class Accounts:
    """
    Names of users and groups.

    Args:
        aside: reads.
        proc: where /proc is; it shows the host's process ids.
        mnt_ns: inode number of our own mount namespace; a process of the host's that shares it has our root.
        node_root: the root of all other processes of the host's; None where it cannot be had.
    """

    def __init__(self, aside: Aside, *, proc: str = "/proc", mnt_ns: int = 0, node_root: str | None = None) -> None:
        self._aside = aside
        self._proc = proc
        self._mnt_ns = mnt_ns
        self._node_root = node_root
        self._kept: OrderedDict[tuple[Any, ...], tuple[int, Account]] = OrderedDict()

    def user(self, event: Any, uid: int) -> Account | None:  # noqa: ANN401  # the event classes are generated
        """Return what *uid* (initial user namespace) is called where *event*'s process lives; None when that is not known."""
        return self._named(event, USERS, uid)

    def group(self, event: Any, gid: int) -> Account | None:  # noqa: ANN401  # as above
        """Return what *gid* is called there; None when that is not known."""
        return self._named(event, GROUPS, gid)

    def _named(self, event: Any, file: File, number: int) -> Account | None:  # noqa: ANN401  # as above
        workload = event.workload
        if workload.profile == Profile.HOST:
            root = "/" if event.mnt_ns == self._mnt_ns else self._node_root
            if root is None:
                return None
            where: tuple[Any, ...] = (root,)
            work = partial(read_name, root, file, number)
        elif workload.profile == Profile.CONTAINER:
            where = (workload.container_id, event.mnt_ns, event.user_ns)
            work = partial(_read_inside, f"{self._proc}/{event.tgid}", event.start_ns, file, number)
        else:
            return None
        key = (*where, file.name, number)
        kept = self._kept.get(key)
        if kept is not None and event.ts_ns - kept[0] < KEPT_NS:
            self._kept.move_to_end(key)
            return kept[1]
        account: Account | None = self._aside.ask(work)
        if account is None:  # a process that is gone says nothing of the next
            self._kept.pop(key, None)
            return None
        self._kept[key] = (event.ts_ns, account)
        if len(self._kept) > MAX_NAMES:
            self._kept.popitem(last=False)
        return account


def _read_inside(process: str, start_ns: int, file: File, number: int) -> Account | None:
    """As `read_name`, below a process's own root and with its own numbers; None when it is not that process any more."""
    if not is_started(process, start_ns):
        return None
    inside = mapped(_content(os.open(f"{process}/{file.map_name}", os.O_RDONLY | os.O_CLOEXEC), _MAP_BYTES), number)
    account = Account() if inside is None else read_name(f"{process}/root", file, inside)
    return account if is_started(process, start_ns) else None


def mapped(content: bytes, number: int) -> int | None:
    """
    Return the number in a user namespace for one outside of it, by its uid_map or gid_map; None where it has none.

    Raises:
        ValueError: the map is longer than what is read of one.
    """
    if len(content) >= _MAP_BYTES:
        raise ValueError("a map of too many lines")
    for line in content.splitlines():
        inside, outside, count = map(int, line.split())
        if outside <= number < outside + count:
            return inside + number - outside
    return None


def read_name(root: str, file: File, number: int) -> Account | None:
    """
    Look a number up in *file* below *root*.

    Returns:
        An empty `Account` when there is no such file or no such line, None when
        the file is not one that is read.

    Raises:
        OSError: it cannot be opened, or is reached through a link.
    """
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for component, flags in (("etc", os.O_DIRECTORY), (file.name, 0)):
            below = os.open(component, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES:
            return None
        content = _content(os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), FILE_BYTES + 1)
    except FileNotFoundError:
        return Account()
    finally:
        os.close(descriptor)
    if len(content) > FILE_BYTES:
        return None
    found = re.search(file.line % number, content)
    return Account(*found.groups()) if found else Account()


def _content(descriptor: int, most: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most)
