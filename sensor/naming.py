# SPDX-License-Identifier: Apache-2.0
"""
The names of pods, put together for the agent: the watch, what it knows, and the events that wait for it.

Without a cluster there is none (`NoNames`), the client is not imported, and
nothing waits. With one, the loop hands events to `PodNames.handle` instead of
the pipeline, calls `drain` when its descriptor is readable and `due` when its
time has come.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from sensor.adapters.kubeconfig import find_access
from sensor.core.log import logger
from sensor.workloads.bundles import BundleReader
from sensor.workloads.listing import listing
from sensor.workloads.pods import PodStore
from sensor.workloads.waiting import WaitingRoom

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sensor.core.clock import Clock
    from sensor.core.config import ClusterConfig
    from sensor.core.counters import Counters
    from sensor.health.state import Health
    from sensor.pipeline import Pipeline
    from sensor.workloads.bundles import Bundle
    from sensor.workloads.containers import Workload
    from sensor.workloads.podwatch import PodWatch
    from sensor.workloads.table import WorkloadTable

_WHAT = "pod names"


def find_names(config: ClusterConfig, *, node: str, clock: Clock, counters: Counters, health: Health, environment: Mapping[str, str]) -> Names:
    """
    Return the names of the pods of *node* (empty: this machine's name); none where no cluster is configured.

    Raises:
        UsageError: the kubeconfig cannot be used.
    """
    access = find_access(environment, kubeconfig=config.kubeconfig, insecure=config.insecure) if config.wanted else None
    if access is None:
        return NoNames()
    from sensor.adapters.cluster import PodApi  # noqa: PLC0415  # 13 MiB, only where there is a cluster
    from sensor.workloads.podwatch import PodWatch  # noqa: PLC0415  # as above

    log = logger("pods")
    name = node or os.uname().nodename.lower()  # as the kubelet does
    log.info("the pods of this node are watched", node=name, server=f"{access.host}:{access.port}", access=access.where)

    def told(reason: str) -> None:
        """By the watch's thread."""
        if reason:
            if _WHAT not in health.degraded():
                log.warning("the API server cannot be asked for pods; what is known stays", why=reason)
            health.degrade(_WHAT, reason)
        else:
            health.recover(_WHAT)
            log.info("the API server told the pods of this node")

    watch = PodWatch(PodApi(access, name), name, clock=clock, counters=counters, told=told)
    health.watch(_WHAT, watch.is_running)
    bundles = BundleReader((config.containerd_state,)) if config.containerd_state else BundleReader()
    return PodNames(watch, clock=clock, counters=counters, bundles=bundles, wait_ns=int(config.wait_s * 1e9))


class Names(Protocol):
    """What the loop sees of it."""

    are_told: bool
    """Whether somebody tells the names of pods."""

    @property
    def named(self) -> Callable[[Workload], Workload] | None:
        """Adds a pod's names to a workload (`PodStore.named`); for the table of workloads."""

    def start(self, table: WorkloadTable, pipeline: Pipeline, late: Callable[[Any], None]) -> None:
        """Begin: *table* is told of new names, *late* of events that have waited, *pipeline* of all others."""

    def calls(self) -> dict[int, Callable[[], object]]:
        """Descriptors, and what to call when one is readable."""

    def handle(self, event: Any) -> None:  # noqa: ANN401  # the event classes are generated
        """Hand *event* to the pipeline, or keep it until its names are there."""

    def due(self) -> None:
        """Send what has waited long enough."""

    def next_due_ns(self) -> int | None:
        """When `due` has something to do, on the monotonic clock."""

    def listing(self) -> list[dict[str, Any]]:
        """The workloads as they are known (`workloads.listing`). Any thread."""

    def finish(self) -> None:
        """Send what waits: the end of the run."""

    def close(self) -> None:
        """Let go of everything."""


class NoNames:
    """Where nobody tells: every event goes straight to the pipeline."""

    are_told = False
    named = None

    def start(self, table: WorkloadTable, pipeline: Pipeline, _late: Callable[[Any], None]) -> None:
        """See `Names`."""
        self._table = table
        self._pipeline = pipeline

    def calls(self) -> dict[int, Callable[[], object]]:
        """See `Names`."""
        return {}

    def handle(self, event: Any) -> None:  # noqa: ANN401  # the event classes are generated
        """See `Names`."""
        self._pipeline.handle(event)

    def next_due_ns(self) -> int | None:
        """See `Names`."""
        return None

    def listing(self) -> list[dict[str, Any]]:
        """See `Names`."""
        return listing(self._table.living(), ())

    def due(self) -> None:
        """See `Names`."""

    finish = close = due


class PodNames:
    """
    The names of pods and containers, and what waits for them.

    Args:
        watch: brings pods; started by `start`.
        clock: the loop's.
        counters: the agent's.
        bundles: reads what the runtime wrote down.
        wait_ns: how long an event waits for its names.
    """

    def __init__(self, watch: PodWatch, *, clock: Clock, counters: Counters, bundles: Callable[[str, str], Bundle | None] | None, wait_ns: int) -> None:
        self.are_told = True
        self.store = PodStore(counters, clock, bundles=bundles)
        self.named = self.store.named
        self._watch = watch
        self._clock = clock
        self._counters = counters
        self._wait_ns = wait_ns

    def start(self, table: WorkloadTable, pipeline: Pipeline, late: Callable[[Any], None]) -> None:
        """See `Names`."""
        self._table = table
        self._pipeline = pipeline
        self._room = WaitingRoom(send=late, workload_of=table.lookup, clock=self._clock, counters=self._counters, wait_ns=self._wait_ns)
        self._watch.start()

    def handle(self, event: Any) -> None:  # noqa: ANN401  # the event classes are generated
        """See `Names`; what no rule matches, whatever its names will be, is not kept."""
        if not self._room.wants(event.workload):
            self._pipeline.handle(event)
        elif self._pipeline.may_tell(event):
            self._room.take(event)

    def calls(self) -> dict[int, Callable[[], object]]:
        """See `Names`."""
        return {self._watch.mailbox.fd: self.drain}

    def drain(self) -> None:
        """Take over what the watch has brought, and send what waited for it."""
        everything, changes = self._watch.mailbox.take()
        changed = self.store.replace(everything) if everything is not None else set()
        changed |= self.store.update(changes)
        if changed:
            self._table.rename(changed)
            self._room.came(changed)

    def due(self) -> None:
        """See `Names`."""
        self._room.due()

    def next_due_ns(self) -> int | None:
        """See `Names`."""
        return self._room.next_due_ns()

    def listing(self) -> list[dict[str, Any]]:
        """See `Names`."""
        return listing(self._table.living(), self.store.pods())

    def finish(self) -> None:
        """See `Names`."""
        self._room.close()

    def close(self) -> None:
        """See `Names`."""
        self._watch.close()
