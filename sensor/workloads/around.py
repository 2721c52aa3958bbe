# SPDX-License-Identifier: Apache-2.0
"""What the agent tells of an act beyond its frame: what ancestors run, what users are called, what the clock showed. See `sensor.events.around`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.core.privileges import INITIAL_PID_NS
from sensor.events.around import Around
from sensor.workloads.accounts import Accounts
from sensor.workloads.aside import Aside
from sensor.workloads.processes import ProcessTable

if TYPE_CHECKING:
    from sensor.core.clock import Clock
    from sensor.core.counters import Counters
    from sensor.events.around import Account, Image
    from sensor.events.decode import Ancestor

_NODE_ROOT = "/proc/1/root"
"""The node's own files, where we share the node's process ids; in a pod it takes CAP_SYS_PTRACE."""

_MS = 1_000_000


class RecordedAround(Around):
    """Asks nobody, and has what recorded execs told."""

    __slots__ = ("processes",)

    def __init__(self, counters: Counters) -> None:
        self.processes = ProcessTable(counters, None)

    def image(self, one: Ancestor) -> Image:
        """See `Around`."""
        return self.processes.image(one)


class LiveAround(Around):
    """Asks this machine. One thread uses it."""

    __slots__ = ("_accounts", "_aside", "_clock", "processes")

    def __init__(self, counters: Counters, clock: Clock) -> None:
        self._aside = Aside(counters, clock)
        self._clock = clock
        self.processes = ProcessTable(counters, self._aside)
        self._accounts = Accounts(self._aside, mnt_ns=_own_ns("mnt"), node_root=_NODE_ROOT if _own_ns("pid") == INITIAL_PID_NS else None)

    def image(self, one: Ancestor) -> Image:
        """See `Around`."""
        return self.processes.image(one)

    def user(self, event: Any, uid: int) -> Account | None:  # noqa: ANN401  # the event classes are generated
        """See `Around`."""
        return self._accounts.user(event, uid)

    def group(self, event: Any, gid: int) -> Account | None:  # noqa: ANN401  # as above
        """See `Around`."""
        return self._accounts.group(event, gid)

    def born_ns(self, start_ns: int) -> int:
        """See `Around`; to the millisecond, which is what two clocks that are read one after the other agree to."""
        suspended_ns = self._clock.boottime_ns() - self._clock.monotonic_ns()
        return self._clock.wall_ns(start_ns - (suspended_ns + _MS // 2) // _MS * _MS)

    def close(self) -> None:
        """Let the reading thread end."""
        self._aside.close()


def _own_ns(name: str) -> int:
    """Inode number of one of our own namespaces (namespaces(7)); 0 where /proc does not tell."""
    try:
        return int(str(Path("/proc/self/ns", name).readlink()).partition("[")[2].rstrip("]"))
    except (OSError, ValueError):
        return 0
