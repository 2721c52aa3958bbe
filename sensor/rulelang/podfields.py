# SPDX-License-Identifier: Apache-2.0
"""
Values that the API server tells: of the container and the pod that an act belongs to.

They come after the act, perhaps, so *not yet known* is the rule here and not
the exception. On the host they are missing. In a container they exist, and what
nobody has said (yet) is an `Unknown`: neither a test nor its negation is evaded
by acting before the names are there. Outside of a pod the pod's are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.events.dimensions import Profile
from sensor.rulelang.values import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.rulelang.getters import Getter

_STATIC_UID_CHARS = 32
"""A static pod's cgroup has the hash of its manifest for a UID."""


def of_container(read: Callable[[Any], Any], *, on_host: bytes | None = None) -> Getter:
    """Return the getter of what *read* gives for a known container; an empty text or 0 is not known."""

    def get(event: Any) -> Any:
        workload = event.workload
        known = workload.container
        if known is None:
            return on_host if workload.profile == Profile.HOST else UNKNOWN
        value = read(known)
        if value is None or isinstance(value, bool):
            return value
        return (value.encode() if isinstance(value, str) else value) or UNKNOWN

    return get


def of_pod(read: Callable[[Any], Any]) -> Getter:
    """Return the getter of what *read* gives for a known pod: a text (empty: not known), None for what the pod does not have, or an `Unknown`."""

    def get(event: Any) -> Any:
        pod = event.workload.pod
        if pod is None:
            return _no_pod(event.workload)
        value = read(pod)
        return (value.encode() or UNKNOWN) if isinstance(value, str) else value

    return get


def _no_pod(workload: Any) -> Any:
    """What a pod's value is while the pod is not known."""
    return UNKNOWN if workload.pod_uid or workload.profile == Profile.UNKNOWN else None


container_name = of_container(lambda one: one.name, on_host=b"host")
container_repository = of_container(lambda one: one.image)
container_tag = of_container(lambda one: one.tag or (None if one.image else ""))
container_digest = of_container(lambda one: one.digest)
container_image = of_container(lambda one: f"{one.image}:{one.tag}" if one.image and one.tag else one.image)
container_privileged = of_container(lambda one: one.privileged)
container_start_ns = of_container(lambda one: one.started_ns)

pod_name = of_pod(lambda pod: pod.name)
namespace = of_pod(lambda pod: pod.namespace)
pod_address = of_pod(lambda pod: pod.ip)
deployment = of_pod(lambda pod: pod.owner[1] if pod.owner and pod.owner[0] == "Deployment" else None)
replica_set = of_pod(lambda pod: pod.replica_set or None)


def pod_uid(event: Any) -> Any:
    """k8s.pod.uid: the API's; a static pod's is not in its cgroup's path."""
    workload = event.workload
    if workload.pod is not None:
        return workload.pod.uid.encode()
    if len(workload.pod_uid) == _STATIC_UID_CHARS:
        return UNKNOWN
    return workload.pod_uid.encode() or _no_pod(workload)


def pod_labels(event: Any) -> Any:
    """k8s.pod.labels: as Falco joins them."""
    pod = event.workload.pod
    if pod is None:
        return _no_pod(event.workload)
    if not pod.are_labels_whole:
        return UNKNOWN
    return ",".join(f"{key}:{value}" for key, value in pod.labels.items()).encode() or None


def pod_label(key: str) -> Getter:
    """k8s.pod.label[KEY]."""

    def get(event: Any) -> Any:
        pod = event.workload.pod
        if pod is None:
            return _no_pod(event.workload)
        value = pod.labels.get(key)
        if value is None:
            return None if pod.are_labels_whole else UNKNOWN
        return value.encode()

    return get
