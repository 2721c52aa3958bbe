# SPDX-License-Identifier: Apache-2.0
"""
Values about ancestors, leaders and names: from the frame where it has them, else from the event's ``around``.

What ``around`` cannot prove is an `Unknown` here: an ancestor that has ended or
runs another program, a file of users that is not read, anything in a replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.core.privileges import INITIAL_USER_NS
from sensor.events.dimensions import Profile
from sensor.rulelang import getters as g
from sensor.rulelang.values import UNKNOWN, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.events.around import Account, Image
    from sensor.rulelang.getters import Getter

    Read = Callable[[Image, Any, Any], Any]
    """Image, ancestor and event → value."""


def _exe_path(image: Image, _one: Any, event: Any) -> Any:
    """As `g.exe_path`: outside of containers a user's own mounts make any program any path's."""
    path = image.exe_path
    if path is not None and image.user_ns != INITIAL_USER_NS and event.workload.profile != Profile.CONTAINER:
        return Unknown(path)
    return path


def _words(image: Image) -> list[bytes]:
    text = image.cmdline or b""
    return (text[:-1] if text[-1:] == b"\0" else text).split(b"\0")


def _first_argument(image: Image, _one: Any, _event: Any) -> Any:
    return None if image.cmdline is None else _words(image)[0]


def _command_line(image: Image, one: Any, _event: Any) -> Any:
    return None if image.cmdline is None else b" ".join([one.comm, *_words(image)[1:]])


def _of(event: Any, one: Any, read: Read) -> Any:
    image = event.around.image(one)
    value = None if image is None else read(image, one, event)
    return UNKNOWN if value is None else value


def _ancestor(own: Getter, read: Read) -> Callable[[int], Getter]:
    """Return what makes the getter of the n-th ancestor's value; *own* reads the process's, which is the one before the first."""

    def indexed(index: int) -> Getter:
        if index == 0:
            return own

        def get(event: Any) -> Any:
            lineage = event.lineage
            return _of(event, lineage[index - 1], read) if len(lineage) >= index else None

        return get

    return indexed


def _any(read: Read) -> Getter:
    """Return the getter of all ancestors' values; one that is not known makes them unknown."""

    def get(event: Any) -> Any:
        values = tuple(_of(event, one, read) for one in event.lineage)
        return UNKNOWN if any(value.__class__ is Unknown for value in values) else values or None

    return get


def _leader(number: str, own: Getter, read: Read | None) -> Getter:
    """Return the getter of a value of the leader, whose process id is the member *number*: the process, an ancestor, or not known."""

    def get(event: Any) -> Any:
        leader = getattr(event, number)
        if leader == event.tgid:
            return own(event)
        for one in event.lineage:
            if one.tgid == leader:
                return _of(event, one, read) if read else one.comm
        return UNKNOWN

    return get


exe_path, exe_paths = _ancestor(g.exe_path, _exe_path), _any(_exe_path)
first_argument, first_arguments = _ancestor(g.first_argument, _first_argument), _any(_first_argument)
command_line, command_lines = _ancestor(g.command_line, _command_line), _any(_command_line)

LEADERS: dict[str, tuple[Getter, Getter, Getter]] = {
    number: (_leader(number, g.attribute("comm"), None), _leader(number, g.first_argument, _first_argument), _leader(number, g.exe_path, _exe_path))
    for number in ("sid", "pgid")
}
"""Member with the leader's id → getters of the leader's name, first argument and executable."""


def start(event: Any) -> Any:
    """proc.pid.ts."""
    born_ns = event.around.born_ns(event.start_ns)
    return UNKNOWN if born_ns is None else born_ns


def parent_start(event: Any) -> Any:
    """proc.ppid.ts."""
    lineage = event.lineage
    if not lineage:
        return None
    born_ns = event.around.born_ns(lineage[0].start_ns)
    return UNKNOWN if born_ns is None else born_ns


def parent_age_ns(event: Any) -> Any:
    """proc.ppid.duration."""
    lineage = event.lineage
    return max(0, int(event.ts_ns) - lineage[0].start_ns) if lineage else None


def _account(ask: Callable[[Any], Account | None], member: str) -> Getter:
    """Return the getter of a member of an account; missing where there is none, or it is empty."""

    def get(event: Any) -> Any:
        account = ask(event)
        return UNKNOWN if account is None else getattr(account, member) or None

    return get


def _user(event: Any) -> Account | None:
    account: Account | None = event.around.user(event, event.euid)
    return account


user_name, user_home, user_shell = (_account(_user, member) for member in ("name", "home", "shell"))
group_name = _account(lambda event: event.around.group(event, event.egid), "name")


def login_name(event: Any) -> Any:
    """user.loginname: missing when nobody ever logged in for the process."""
    if event.loginuid == g.NO_LOGIN:
        return None
    account = event.around.user(event, event.loginuid)
    return UNKNOWN if account is None else account.name or None
