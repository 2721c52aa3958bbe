# SPDX-License-Identifier: Apache-2.0
"""
Where events wait until somebody has said whose container it was.

The kernel names a container before the API server does. An event whose pod or
container has no name yet waits, at most `WAIT_NS` from the first one of its
container, and is then sent with what is known. Promises:

* What one container did is sent in the order in which it was taken.
* A container is waited for once: after its time it is sent at once, named or not.
* Nothing is lost. A container that fills its own share of the room, or a room
  that is full (the oldest container then), is sent early, and counted.

One thread owns a room.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sensor.core.counters import Count
from sensor.events.dimensions import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from sensor.core.clock import Clock
    from sensor.core.counters import Counters
    from sensor.workloads.containers import Workload

WAIT_NS = 2_000_000_000
"""The kubelet tells of a container a second or so after its start; longer would keep findings from people for little."""

MAX_EVENTS = 2_048
"""Events in the room; with paths and a command line of usual length 1 to 2 KB each."""

MAX_PER_CONTAINER = 256
"""A flood fills its own share only."""

MAX_GIVEN_UP = 4_096
"""Containers not waited for again that are remembered: more than run on a node."""


@dataclass(slots=True)
class _Held:
    pod_uid: str
    due_ns: int
    events: list[Any] = field(default_factory=list)


class WaitingRoom:
    """
    Holds events back.

    Args:
        send: told an event that has waited.
        workload_of: says again whose an event is.
        clock: the loop's.
        counters: where waits are counted.
        wait_ns: the longest wait; 0 waits for nothing.
    """

    def __init__(
        self, *, send: Callable[[Any], None], workload_of: Callable[[Any], Workload], clock: Clock, counters: Counters, wait_ns: int = WAIT_NS
    ) -> None:
        self._send = send
        self._workload_of = workload_of
        self._clock = clock
        self._counters = counters
        self._wait_ns = wait_ns
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._given_up: OrderedDict[str, None] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        """Events in the room."""
        return self._count

    def wants(self, workload: Workload) -> bool:
        """Whether an event of *workload* is to wait. Asked of every event: most answers cost two look-ups."""
        if workload.container is not None or not workload.pod_uid:
            return False
        return workload.profile is Profile.CONTAINER and self._wait_ns > 0 and workload.container_id not in self._given_up

    def take(self, event: Any) -> None:  # noqa: ANN401  # the event classes are generated
        """Hold back an event that `wants` said yes to."""
        workload = event.workload
        held = self._held.get(workload.container_id)
        if held is None:
            held = self._held[workload.container_id] = _Held(workload.pod_uid, self._clock.monotonic_ns() + self._wait_ns)
        held.events.append(event)
        self._count += 1
        self._counters.add(Count.WORKLOADS_WAITED)
        if len(held.events) >= MAX_PER_CONTAINER:
            self._give_up(workload.container_id, Count.WORKLOADS_WAIT_FULL)
        elif self._count >= MAX_EVENTS:
            self._give_up(next(iter(self._held)), Count.WORKLOADS_WAIT_FULL)

    def came(self, pod_uids: Container[str]) -> None:
        """Something new is known of these pods: send what has its names now."""
        ready = [key for key, held in self._held.items() if held.pod_uid in pod_uids and self._workload_of(held.events[0]).container is not None]
        for key in ready:
            self._release(key)

    def due(self) -> None:
        """Send what has waited long enough."""
        now = self._clock.monotonic_ns()
        while self._held:
            key, held = next(iter(self._held.items()))  # all wait equally long, so the first is the oldest
            if held.due_ns > now:
                return
            self._give_up(key, Count.WORKLOADS_NAMELESS)

    def next_due_ns(self) -> int | None:
        """When the oldest has waited long enough, on the monotonic clock; None when nothing waits."""
        return next((held.due_ns for held in self._held.values()), None)

    def close(self) -> None:
        """Send everything: the end of the run."""
        while self._held:
            self._give_up(next(iter(self._held)), Count.WORKLOADS_NAMELESS)

    def _give_up(self, key: str, reason: Count) -> None:
        self._given_up[key] = None
        if len(self._given_up) > MAX_GIVEN_UP:
            self._given_up.popitem(last=False)
        self._counters.add(reason, len(self._held[key].events))
        self._release(key)

    def _release(self, key: str) -> None:
        events = self._held.pop(key).events
        self._count -= len(events)
        for event in events:
            event.workload = self._workload_of(event)
            self._send(event)
