# SPDX-License-Identifier: Apache-2.0
"""
What an event does not carry, and whom to ask for it.

Command lines and images of ancestors and the names of users are in no frame:
the kernel cannot read another process's memory, and names are in files. Each
event has an ``around`` that is asked when a rule or a message of a rule uses
such a field, and at no other time. This one, which the decoder gives to every
event, knows nothing: a replay asks no living machine. The agent's own is
`sensor.workloads.around`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sensor.events.decode import Ancestor


class Image(NamedTuple):
    """The program that an ancestor runs; None is what is not known."""

    exe_path: bytes | None
    """Path of the executable in its mount namespace."""

    cmdline: bytes | None
    """Arguments, each ended by a NUL; at most as many bytes as a frame has of a process's own."""

    user_ns: int
    """Inode number of its user namespace: in one of their own, users mount what they like where they like."""


class Account(NamedTuple):
    """A line of a file of users or groups; all members are empty where the file has no such line."""

    name: bytes = b""
    home: bytes = b""
    shell: bytes = b""


class Around:
    """Knows nothing; the base of what does."""

    __slots__ = ()

    def image(self, one: Ancestor) -> Image | None:  # noqa: ARG002  # for those that know
        """Return what *one* ran at the time of its frame; None when nothing is known for certain."""
        return None

    def user(self, event: Any, uid: int) -> Account | None:  # noqa: ANN401, ARG002  # the event classes are generated; as above
        """Return what *uid* (initial user namespace) is called where *event*'s process lives; None when that is not known."""
        return None

    def group(self, event: Any, gid: int) -> Account | None:  # noqa: ANN401, ARG002  # as above
        """Return what *gid* is called there; None when that is not known."""
        return None

    def born_ns(self, start_ns: int) -> int | None:  # noqa: ARG002  # as above
        """Return a process's start as nanoseconds since 1970; None when the clocks are not known."""
        return None


NOTHING = Around()
"""Where nobody can be asked."""
