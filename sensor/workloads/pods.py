# SPDX-License-Identifier: Apache-2.0
"""
The pods of this node, as far as events are told about them, by UID.

Promises:

* **Never another pod's name.** Pods are found by UID, containers by id within
  their pod. A name that is used again belongs to another UID. A static pod's
  cgroup has the hash of its manifest instead (32 digits), which its mirror pod
  carries as an annotation, and anybody may write an annotation: a hash that two
  pods claim is nobody's.
* A pod that was deleted is remembered for `GRACE_NS`: its last acts may still be
  under way. It does not come back; what says so is older news.
* Memory is bounded by ``max_pods``; what does not fit is counted.

One thread owns a store. What is in an object of the API is `podobject`'s
business, how they arrive `podwatch`'s.

Source:
    kubelet pkg/kubelet/types/constants.go, pkg/kubelet/config/common.go applyDefaults() (a static pod's UID is its hash).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sensor.core.counters import Count
from sensor.events.dimensions import Profile
from sensor.workloads.images import split_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sensor.core.clock import Clock
    from sensor.core.counters import Counters
    from sensor.workloads.bundles import Bundle
    from sensor.workloads.containers import Workload

MAX_PODS = 2_000
"""Four times what the largest nodes are allowed (500); 2 to 4 KB each."""

GRACE_NS = 60_000_000_000
"""How long a deleted pod is remembered: longer than an event waits, and than a killed process's last frame takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a pod. Text is empty where it is not known."""

    name: str
    """In the pod's specification."""

    image: str = ""
    """Repository, registry included."""

    tag: str = ""
    digest: str = ""
    """``sha256:…`` of the image that runs."""

    started_ns: int = 0
    """Wall time of its start, in ns since 1970, to the second; 0 when not known."""

    privileged: bool = False
    is_sandbox: bool = False
    """It holds the pod's namespaces and does nothing."""


SANDBOX_NAME = "POD"
"""What a pod's sandbox is called; no container of a specification can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What of a pod is kept. Nobody changes its mappings."""

    uid: str
    namespace: str
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    are_labels_whole: bool = True
    """False: some were left out, so that a label that is not here is not known to be missing."""

    owner: tuple[str, str] | None = None
    """Kind and name of what made it; a Deployment where a ReplicaSet's name ends with the hash of its template."""

    replica_set: str = ""
    service_account: str = ""
    host_network: bool = False
    host_pid: bool = False
    runtime_class: str = ""
    """gVisor, Kata: a class other than the default may mean that the node's kernel does not see what happens inside."""

    ip: str = ""
    static_hash: str = ""
    """Of a mirror pod: what its cgroup has for a UID."""

    specified: dict[str, bool] = field(default_factory=dict)
    """Names of the containers in its specification, and whether they are privileged."""

    containers: dict[str, Container] = field(default_factory=dict)
    """By container id, those that the kubelet has told of."""

    version: int | None = field(default=None, compare=False)
    """Resource version, where it is a number: the newer object has the larger one."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A pod was deleted; *pod* is its last state, None where that cannot be read."""

    pod: Pod | None = None


class PodStore:
    """
    The pods by UID.

    Args:
        counters: where what does not fit is counted.
        clock: says when a deleted pod is forgotten.
        bundles: reads what the runtime wrote down of a container id in the pod of an UID (`bundles.BundleReader`); for containers not told of yet.
        max_pods: most pods, deleted ones apart, of which there are at most as many.
    """

    def __init__(self, counters: Counters, clock: Clock, *, bundles: Callable[[str, str], Bundle | None] | None = None, max_pods: int = MAX_PODS) -> None:
        self._counters = counters
        self._clock = clock
        self._bundles = bundles
        self._max = max_pods
        self._pods: dict[str, Pod] = {}
        self._claims: dict[str, set[str]] = {}  # a static pod's hash → the UIDs that claim it
        self._gone: OrderedDict[str, tuple[int, Pod]] = OrderedDict()

    def __len__(self) -> int:
        """Pods that are there."""
        return len(self._pods)

    def pods(self) -> tuple[Pod, ...]:
        """Those that are there. Any thread."""
        return tuple(self._pods.values())

    def find(self, uid: str) -> Pod | None:
        """Return the pod that a cgroup's path calls *uid*."""
        pod = self._pods.get(uid)
        if pod is not None:
            return pod
        claims = self._claims.get(uid, ())
        if len(claims) == 1:
            return self._pods[next(iter(claims))]
        gone = self._gone.get(uid)
        return gone[1] if gone is not None else None

    def replace(self, pods: Mapping[str, Pod]) -> set[str]:
        """Take over a whole list: what is not in it is gone. Returns, as cgroup paths have them, the UIDs about which anything changed."""
        changed = self.update({uid: Gone() for uid in self._pods if uid not in pods})
        for uid, pod in pods.items():  # a fresh list is right whatever its versions say: the cluster may have been restored from a backup
            if self._pods.get(uid) != pod:
                self._gone.pop(uid, None)
                changed |= self._put(pod)
        return changed

    def update(self, changes: Mapping[str, Pod | Gone]) -> set[str]:
        """Take over changes by UID. Returns as `replace` does."""
        changed: set[str] = set()
        for uid, pod in changes.items():
            before = self._pods.get(uid)
            if isinstance(pod, Gone):
                if pod.pod is not None and before is None and uid not in self._gone:  # it came and went between two looks
                    changed |= self._put(pod.pod)
                changed |= self._remove(uid)
            elif uid in self._gone or (before is not None and _is_older(pod, before)):
                self._counters.add(Count.PODS_STALE)
            elif pod != before:
                changed |= self._put(pod)
        self._forget()
        return changed

    def named(self, workload: Workload) -> Workload:
        """Return *workload* with its pod and container, as far as they are known; the same object when there is nothing new."""
        if not workload.pod_uid or workload.profile is not Profile.CONTAINER:
            return workload
        pod = self.find(workload.pod_uid) or workload.pod
        container = pod.containers.get(workload.container_id) if pod is not None else None
        if container is None:  # one that ended is not in its pod's status any more, one that began is not there yet
            container = workload.container or self._bundled(workload, pod)
        if pod is workload.pod and container is workload.container:
            return workload
        return replace(workload, pod=pod, container=container)

    def _bundled(self, workload: Workload, pod: Pod | None) -> Container | None:
        """What the runtime says of a container, as far as the pod's specification bears it out."""
        bundle = self._bundles(workload.container_id, workload.pod_uid) if self._bundles is not None and pod is not None else None
        if bundle is None or pod is None:
            return None
        if not bundle.is_sandbox and bundle.name not in pod.specified:
            return None
        image, tag, digest = split_image(bundle.image)
        name = SANDBOX_NAME if bundle.is_sandbox else bundle.name
        return Container(name=name, image=image, tag=tag, digest=digest, privileged=pod.specified.get(name, False), is_sandbox=bundle.is_sandbox)

    def _put(self, pod: Pod) -> set[str]:
        if pod.uid not in self._pods and len(self._pods) >= self._max:
            self._counters.add(Count.PODS_TOO_MANY)
            return set()
        changed = self._unclaim(pod.uid) | {pod.uid}
        self._pods[pod.uid] = pod
        if pod.static_hash:
            self._claims.setdefault(pod.static_hash, set()).add(pod.uid)
            changed.add(pod.static_hash)
        return changed

    def _remove(self, uid: str) -> set[str]:
        changed = self._unclaim(uid)
        pod = self._pods.pop(uid, None)
        if pod is not None:
            self._gone[uid] = (self._clock.monotonic_ns() + GRACE_NS, pod)
        return changed

    def _unclaim(self, uid: str) -> set[str]:
        pod = self._pods.get(uid)
        if pod is None or not pod.static_hash:
            return set()
        claims = self._claims[pod.static_hash]
        claims.discard(uid)
        if not claims:
            del self._claims[pod.static_hash]
        return {pod.static_hash}

    def _forget(self) -> None:
        now = self._clock.monotonic_ns()
        while self._gone and (len(self._gone) > self._max or next(iter(self._gone.values()))[0] <= now):
            self._gone.popitem(last=False)


def _is_older(pod: Pod, before: Pod) -> bool:
    return pod.version is not None and before.version is not None and pod.version < before.version
