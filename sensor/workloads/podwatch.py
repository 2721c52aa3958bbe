# SPDX-License-Identifier: Apache-2.0
"""
A thread that knows this node's pods: one list, then one watch, again and again.

It reads, checks (`podobject`) and leaves what changed in a `Mailbox`; the
agent's loop is woken by a descriptor and takes it from there. Promises:

* A watch that breaks off is taken up where it was, after a wait that doubles up
  to `MOST_BACKOFF_S` and is never the same on two nodes. Only when the server
  says that the place is too old (410) is everything listed anew.
* While the server is away what is known stays, and how old it is is told.
* The mailbox holds the latest of each pod and nothing else, so its size does not
  depend on how busy the loop is. A server that tells of pods without end is cut
  short at `MAX_PODS` in a list and at twice as many changes not yet taken.

What the thread does not expect ends it, and the agent is not alive any more
(`sensor.health.state`): a restart is better than names that grow old in silence.

Source:
    Kubernetes API concepts, "Efficient detection of changes", "410 Gone responses", "Watch bookmarks".
"""

from __future__ import annotations

import os
import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from sensor.adapters.cluster import GARBAGE, ApiError
from sensor.core.counters import Count
from sensor.workloads.podobject import pod_uid, read_pod
from sensor.workloads.pods import MAX_PODS, Gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sensor.core.clock import Clock
    from sensor.core.counters import Counters
    from sensor.workloads.pods import Pod

FIRST_BACKOFF_S, MOST_BACKOFF_S = 0.5, 30.0
MOST_RETRY_AFTER_S = 60.0
"""What of the server's own wish is granted."""

SOUND_WATCH_NS = 5_000_000_000
"""A watch that lasted that long was one; shorter ones without a word are failures to wait after."""

_GONE = 410
_SHOWN_WORDS = 300
_MAX_VERSION_CHARS = 256
_JOIN_S = 2.0


class Source(Protocol):
    """Where pods come from; `sensor.adapters.cluster.PodApi` and the tests' own."""

    version: str

    def listed(self, *, consistent: bool) -> Iterator[Any]:
        """All pods."""

    def changes(self, version: str) -> Iterator[Any]:
        """What changed since."""

    def stop(self) -> None:
        """End both."""


class Mailbox:
    """What the thread leaves for the loop."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Readable when there is something."""
        self._lock = threading.Lock()
        self._all: dict[str, Pod] | None = None
        self._changes: dict[str, Pod | Gone] = {}

    def put_all(self, pods: dict[str, Pod]) -> None:
        """Leave a whole list; changes from before are nothing beside it, but for the last word on pods that are gone."""
        with self._lock:
            self._all, self._changes = pods, {uid: change for uid, change in self._changes.items() if isinstance(change, Gone)}
            os.eventfd_write(self.fd, 1)

    def put(self, uid: str, pod: Pod | Gone) -> bool:
        """Leave a change and tell whether there was room for it."""
        with self._lock:
            before = self._changes.get(uid)
            if before is None and len(self._changes) >= 2 * MAX_PODS:
                return False
            if isinstance(pod, Gone) and pod.pod is None:  # what was known of it is still right
                pod = before if isinstance(before, Gone) else Gone(before)
            self._changes[uid] = pod
            os.eventfd_write(self.fd, 1)
        return True

    def take(self) -> tuple[Mapping[str, Pod] | None, Mapping[str, Pod | Gone]]:
        """Return the latest whole list, if there is one, and what changed after it."""
        with self._lock:
            with suppress(BlockingIOError):
                os.eventfd_read(self.fd)
            taken = self._all, self._changes
            self._all, self._changes = None, {}
        return taken

    def close(self) -> None:
        """Let go of the descriptor; nobody may put anything any more."""
        os.close(self.fd)


class PodWatch:
    """
    The thread and its mailbox.

    Args:
        source: where pods come from.
        node: only its pods are pods.
        clock: says how old the latest word is.
        counters: where garbage and failures are counted.
        told: called by the thread with the reason when the server cannot be asked, and with an empty text when it can again.
        jitter: gives a number from 0 to 1.
    """

    def __init__(
        self, source: Source, node: str, *, clock: Clock, counters: Counters, told: Callable[[str], None], jitter: Callable[[], float] = random.random
    ) -> None:
        self.mailbox = Mailbox()
        self._source = source
        self._node = node
        self._clock = clock
        self._counters = counters
        self._told = told
        self._jitter = jitter
        self._version = ""
        self._is_expired = False
        self._heard_ns: int | None = None
        self._failures = 0
        self._is_well = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pods", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def is_running(self) -> bool:
        """Whether the thread has not ended by itself."""
        return self._thread.ident is None or self._thread.is_alive()

    def close(self) -> None:
        """End the thread, also in the middle of a read."""
        self._stopped.set()
        self._source.stop()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
        if not self._thread.is_alive():  # else it is stuck in a name's look-up, and the descriptor must stay its own
            self.mailbox.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._stopped.wait(self.step())

    def step(self) -> float:
        """List if that is needed, then watch until the watch ends; returns how many seconds to wait before the next step."""
        began_ns = self._clock.monotonic_ns()
        is_quiet = True
        try:
            if not self._version:
                self._list()
            for event in self._source.changes(self._version):
                self._take(event)
                is_quiet = False
        except ApiError as error:
            if self._is_sound(began_ns) or not (is_quiet or error.status == _GONE):  # one that is cut after each line is no reason to grow slow
                self._failures = 0
            return self._failed(error)
        if self._is_sound(began_ns):
            self._well()
            self._failures = 0
            return 0.0
        if not is_quiet:
            self._failures = 0
        return self._backoff()

    def _is_sound(self, began_ns: int) -> bool:
        return self._clock.monotonic_ns() - began_ns >= SOUND_WATCH_NS

    def _list(self) -> None:
        self._counters.add(Count.PODS_LISTED)
        pods: dict[str, Pod] = {}
        for item in self._source.listed(consistent=self._is_expired):
            pod = read_pod(item, self._node, self._counters)
            if pod is not None and len(pods) < MAX_PODS:
                pods[pod.uid] = pod
            elif pod is not None:
                self._counters.add(Count.PODS_TOO_MANY)
        self._version, self._is_expired = self._source.version, False
        self.mailbox.put_all(pods)
        self._well()

    def _take(self, event: Any) -> None:  # noqa: ANN401  # any JSON value
        kind = event.get("type") if isinstance(event, dict) else GARBAGE
        item = event.get("object") if isinstance(event, dict) else None
        if kind == "ERROR":
            raise _error_of(item)
        if kind in ("ADDED", "MODIFIED"):
            pod = read_pod(item, self._node, self._counters)
            if pod is not None:
                self._put(pod.uid, pod)
        elif kind == "DELETED" and (uid := pod_uid(item)):
            self._put(uid, Gone(read_pod(item, self._node, self._counters)))
        elif kind != "BOOKMARK":
            self._counters.add(Count.PODS_GARBAGE)
            return
        self._version = _version_of(item) or self._version
        self._well()

    def _put(self, uid: str, pod: Pod | Gone) -> None:
        if not self.mailbox.put(uid, pod):
            self._counters.add(Count.PODS_TOO_MANY)

    def _well(self) -> None:
        self._heard_ns = self._clock.monotonic_ns()
        if not self._is_well:
            self._is_well = True
            self._told("")

    def _failed(self, error: ApiError) -> float:
        if error.status == _GONE:
            self._version, self._is_expired = "", True
        if self._stopped.is_set():
            return 0.0
        if error.status == _GONE and not self._failures:  # nothing is wrong yet: time has passed
            self._failures = 1
            return 0.0
        self._counters.add(Count.PODS_UNREACHABLE)
        age = "nothing was heard yet" if self._heard_ns is None else f"what is known is {(self._clock.monotonic_ns() - self._heard_ns) // 10**9} s old"
        if not self._failures and self._is_well:  # connections end all the time, and the next one is a moment away
            return max(self._backoff(), min(error.retry_after_s, MOST_RETRY_AFTER_S))
        self._is_well = False
        self._told(f"{str(error)[:_SHOWN_WORDS]}; {age}")
        return max(self._backoff(), min(error.retry_after_s, MOST_RETRY_AFTER_S))

    def _backoff(self) -> float:
        self._failures += 1
        longest = min(MOST_BACKOFF_S, FIRST_BACKOFF_S * (1 << min(self._failures - 1, 10)))
        return longest * (0.5 + 0.5 * self._jitter())


def _error_of(item: Any) -> ApiError:  # noqa: ANN401  # any JSON value
    """The error that a watch ends with: a Status object."""
    code = item.get("code") if isinstance(item, dict) else None
    message = item.get("message") if isinstance(item, dict) else None
    return ApiError(f"the watch ended: {message if isinstance(message, str) else 'no reason given'}", status=code if isinstance(code, int) else 0)


def _version_of(item: Any) -> str:  # noqa: ANN401  # any JSON value
    metadata = item.get("metadata") if isinstance(item, dict) else None
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) and len(version) <= _MAX_VERSION_CHARS else ""
