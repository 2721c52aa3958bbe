# SPDX-License-Identifier: Apache-2.0
"""
From a frame's cgroup id to its workload, at the price of one dictionary look-up.

Filled from a scan at start and from the paths that frames carry. Promises:

* A cgroup id that is used again for another directory (32-bit ids below kernel
  5.5) never yields the old name: the path is compared each time.
* A path that lost its front is looked up whole by its id (`resolve`); where that
  cannot be had the workload is UNKNOWN, never a guess from what is left.
* Memory is bounded by ``max_cgroups``; the one not seen for longest goes, and is counted.
* Removed cgroups are forgotten: with each that is new a few known ones are looked
  at, in turn, so that those of a node where containers come and go stay about as
  many as it has, and an idle node costs nothing. A frame that comes later still
  finds its workload, by the path that it carries.

One thread owns a table. The kernel's own map of profiles is kept by who gives
`learned`; this module only says what it should hold.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sensor.core.counters import Count
from sensor.events.common import FrameFlag
from sensor.events.dimensions import Profile
from sensor.workloads.containers import HOST, UNKNOWN, Workload, identify

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from sensor.core.counters import Counters

MAX_CGROUPS = 8_192
"""A node with 250 pods has about 1,500 cgroups; an entry is 200 to 700 bytes, so the worst case is 6 MB."""

LOOKED_AT = 3
"""Known cgroups that are looked at with each new one (2 µs each): more than one, so that they become fewer."""

ROOT_ID = 1
"""kernfs id of a hierarchy's root: the first inode number, fs/kernfs/dir.c kernfs_create_root()."""


class Frame(Protocol):
    """What of an event is looked at."""

    cgroup_id: int
    cgroup_path: bytes
    flags: int


@dataclass(slots=True)
class _Entry:
    seen: bytes  # as frames carry it: possibly without its front
    path: bytes  # whole, or empty when it could not be had
    workload: Workload


class WorkloadTable:
    """
    The workloads by cgroup id.

    Args:
        counters:
            Where evictions and unknown paths are counted.
        max_cgroups:
            Most entries.
        node_root:
            See `identify`.
        resolve:
            Finds the whole path of a cgroup id (`cgroups.PathFinder`); ``None``
            in its answer when the cgroup is gone. Not on the hot path.
        named:
            Adds what the API server says of a workload's pod (`pods.PodStore.named`).
        gone:
            Whether the cgroup of this id and whole path was removed (`cgroups.Removal`).
        learned:
            Told each cgroup id and profile when it becomes known or changes;
            UNKNOWN asks to take the id out of the kernel's map.
    """

    def __init__(
        self,
        counters: Counters,
        *,
        max_cgroups: int = MAX_CGROUPS,
        node_root: str = "",
        resolve: Callable[[int], bytes | None] | None = None,
        named: Callable[[Workload], Workload] | None = None,
        gone: Callable[[int, bytes], bool] | None = None,
        learned: Callable[[int, Profile], None] | None = None,
    ) -> None:
        self._counters = counters
        self._max = max_cgroups
        self._node_root = node_root
        self._resolve = resolve
        self._named = named
        self._gone = gone
        self._learned = learned
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._turn: OrderedDict[int, None] = OrderedDict()
        """The same ids, in the order in which they are looked at."""

    def __len__(self) -> int:
        """Cgroups known."""
        return len(self._entries)

    def lookup(self, event: Frame) -> Workload:
        """Return the workload of *event*; the same object for every event of one cgroup, until something new is said about its pod."""
        cgroup_id = event.cgroup_id
        entry = self._entries.get(cgroup_id)
        if entry is not None and entry.seen == event.cgroup_path:
            self._entries.move_to_end(cgroup_id)
            return entry.workload
        return self._learn(cgroup_id, event.cgroup_path, cut=bool(event.flags & FrameFlag.CGROUP_CUT))

    def load(self, scanned: Iterable[tuple[int, bytes]]) -> int:
        """Take over (cgroup id, whole path) pairs, as `cgroups.scan` and recordings give them; beyond the bound they are counted. Returns how many."""
        taken = 0
        for cgroup_id, path in scanned:
            if len(self._entries) >= self._max and cgroup_id not in self._entries:
                self._counters.add(Count.WORKLOADS_NOT_LOADED)
                continue
            self._put(cgroup_id, _Entry(path, path, self._identify(path)))
            taken += 1
        return taken

    def rename(self, pod_uids: Container[str]) -> None:
        """The API server said something new about these pods, named as cgroup paths have them."""
        if self._named is not None:
            for entry in self._entries.values():
                if entry.workload.pod_uid in pod_uids:
                    entry.workload = self._named(entry.workload)

    def forget(self, cgroup_id: int) -> None:
        """The cgroup was removed."""
        if self._entries.pop(cgroup_id, None) is None:
            return
        del self._turn[cgroup_id]
        if self._learned is not None:
            self._learned(cgroup_id, Profile.UNKNOWN)

    def living(self) -> tuple[Workload, ...]:
        """The workload of each cgroup that is still there; of each that is known, where the kernel cannot be asked. Any thread; 0.1 ms a cgroup."""
        known = tuple(self._entries.items())  # in one go, whatever the owning thread does
        there = [entry.workload for cgroup_id, entry in known if self._resolve is not None and self._resolve(cgroup_id) is not None]
        return tuple(there) if there else tuple(entry.workload for _, entry in known)

    def paths(self) -> Iterator[tuple[int, bytes]]:
        """Yield (cgroup id, whole path) of what is known, oldest first: what a recording starts with."""
        return iter([(cgroup_id, entry.path) for cgroup_id, entry in self._entries.items() if entry.path])

    def kernel_entries(self) -> Iterator[tuple[int, Profile]]:
        """
        Yield (cgroup id, profile) for the kernel's map of workloads.

        Each pair is true of that very cgroup only: processes of a cgroup below
        one that is HOST may be a container's (every pod's parents are HOST).
        What is UNKNOWN is left out: the kernel then keeps every clause.
        """
        known = [(cgroup_id, entry.workload.profile) for cgroup_id, entry in self._entries.items()]
        return iter([pair for pair in known if pair[1] is not Profile.UNKNOWN])

    def _learn(self, cgroup_id: int, seen: bytes, *, cut: bool) -> Workload:
        known = self._entries.get(cgroup_id)
        if not seen:  # bookkeeping frames need not carry the path
            if known is not None:
                return known.workload
            return HOST if cgroup_id == ROOT_ID else UNKNOWN
        path = seen
        if cut:
            if known is not None and known.path.endswith(seen):
                known.seen = seen
                return known.workload
            found = self._resolve(cgroup_id) if self._resolve is not None else None
            path = found if found is not None and found.endswith(seen) else b""
            if not path:
                self._counters.add(Count.WORKLOADS_PATH_CUT)
        workload = self._identify(path)
        self._put(cgroup_id, _Entry(seen, path, workload))
        return workload

    def _identify(self, path: bytes) -> Workload:
        workload = identify(path, node_root=self._node_root)
        return workload if self._named is None else self._named(workload)

    def _forget_removed(self) -> None:
        for _ in range(min(LOOKED_AT, len(self._turn)) if self._gone is not None else 0):
            cgroup_id = next(iter(self._turn))
            path = self._entries[cgroup_id].path
            if path and self._gone is not None and self._gone(cgroup_id, path):
                self.forget(cgroup_id)
            else:
                self._turn.move_to_end(cgroup_id)

    def _put(self, cgroup_id: int, entry: _Entry) -> None:
        before = self._entries.get(cgroup_id)
        if before is None:
            self._forget_removed()
            self._turn[cgroup_id] = None
        self._entries[cgroup_id] = entry
        self._entries.move_to_end(cgroup_id)
        if self._learned is not None and (before.workload.profile if before else Profile.UNKNOWN) is not entry.workload.profile and not _is_nested(entry):
            self._learned(cgroup_id, entry.workload.profile)
        if len(self._entries) > self._max:
            oldest, _ = self._entries.popitem(last=False)
            del self._turn[oldest]
            self._counters.add(Count.WORKLOADS_EVICTED)
            if self._learned is not None:
                self._learned(oldest, Profile.UNKNOWN)


def _is_nested(entry: _Entry) -> bool:
    """
    Whether a container made this cgroup below its own.

    The kernel is not told of those: it finds the container above by itself, so
    that all of a container's acts draw on one token bucket however many cgroups
    it makes.
    """
    container = entry.workload.container_id
    return bool(container) and container.encode() not in entry.path.rpartition(b"/")[2]
