# SPDX-License-Identifier: Apache-2.0
"""
From an object of the API to the `Pod` that is kept: every value is hostile until it was looked at.

Who may make pods writes labels and annotations, who may write a pod's status
writes container ids, and what answers may not even be an API server. So: a
value of another type, longer than Kubernetes allows or with characters that it
does not allow is left out and counted; an object without a good UID, namespace
and name is none; lists are read up to a bound. Whatever the input, nothing raises.

Sources: apimachinery pkg/util/validation (names, labels); k8s.io/api core/v1
PodSpec, PodStatus; pkg/controller/deployment/sync.go getNewReplicaSet() (a
ReplicaSet is called after its Deployment and the hash of its template); containerd
and cri-o give ``containerd://ID``, ``cri-o://ID``.
"""

from __future__ import annotations

import re
from datetime import datetime
from ipaddress import ip_address
from itertools import islice
from typing import TYPE_CHECKING, Any

from sensor.core.counters import Count
from sensor.workloads.images import split_image
from sensor.workloads.pods import Container, Pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.core.counters import Counters

MAX_NAME_CHARS, MAX_LABEL_CHARS = 253, 63
MAX_LABELS = 128
"""Labels of a pod that are kept. People use a dozen; without a bound one pod may have a megabyte of them."""

MAX_CONTAINERS = 64
"""Containers of a pod, of each sort, that are looked at."""

_MAX_OWNERS = 16
_MAX_VERSION_DIGITS = 20

_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"(?:([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)/)?([A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_KIND = re.compile(r"[A-Za-z0-9]{1,63}")
_STATIC_HASH = re.compile(r"[0-9a-f]{32}")
_CONTAINER_ID = re.compile(r"[a-z0-9.+-]{1,32}://([A-Za-z0-9._-]{1,128})")

_MIRROR, _HASH = "kubernetes.io/config.mirror", "kubernetes.io/config.hash"
_SORTS = (("containers", "containerStatuses"), ("initContainers", "initContainerStatuses"), ("ephemeralContainers", "ephemeralContainerStatuses"))


def read_pod(item: object, node: str, counters: Counters) -> Pod | None:
    """
    Return what is kept of *item*, or None when it is no pod of *node*; either way what was left out is counted.

    Never raises, whatever JSON *item* was.
    """
    return _Reader(counters).pod(item, node)


def pod_uid(item: object) -> str:
    """Return the UID of the object *item*, or an empty text when it has no good one."""
    uid = _mapping(item, "metadata").get("uid")
    return uid if isinstance(uid, str) and _UID.fullmatch(uid) else ""


class _Reader:
    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def pod(self, item: object, node: str) -> Pod | None:
        metadata, spec, status = (_mapping(item, key) for key in ("metadata", "spec", "status"))
        uid = self.text(metadata, "uid", _UID, MAX_NAME_CHARS)
        namespace = self.text(metadata, "namespace", _DNS_LABEL, MAX_LABEL_CHARS)
        name = self.text(metadata, "name", _SUBDOMAIN, MAX_NAME_CHARS)
        if not uid or not namespace or not name or spec.get("nodeName") != node:
            self._counters.add(Count.PODS_GARBAGE)
            return None
        labels, are_whole = self.labels(_mapping(metadata, "labels"))
        owner, replica_set = self.owner(metadata, labels)
        annotations = _mapping(metadata, "annotations")
        return Pod(
            uid=uid,
            namespace=namespace,
            name=name,
            labels=labels,
            are_labels_whole=are_whole,
            owner=owner,
            replica_set=replica_set,
            service_account=self.text(spec, "serviceAccountName", _SUBDOMAIN, MAX_NAME_CHARS),
            host_network=spec.get("hostNetwork") is True,
            host_pid=spec.get("hostPID") is True,
            runtime_class=self.text(spec, "runtimeClassName", _SUBDOMAIN, MAX_NAME_CHARS),
            ip=_address(status.get("podIP")),
            static_hash=self.text(annotations, _HASH, _STATIC_HASH, MAX_LABEL_CHARS) if _MIRROR in annotations else "",
            specified=_specified(spec),
            containers=self.containers(spec, status),
            version=version_number(metadata.get("resourceVersion")),
        )

    def text(self, holder: dict[str, Any], key: str, pattern: re.Pattern[str], longest: int) -> str:
        """The text of *key*; empty, and counted, when it is there and not as it must be."""
        value = holder.get(key)
        if value is None or value == "":
            return ""
        if isinstance(value, str) and len(value) <= longest and pattern.fullmatch(value):
            return value
        self._counters.add(Count.PODS_VALUE_REFUSED)
        return ""

    def labels(self, given: dict[str, Any]) -> tuple[dict[str, str], bool]:
        """Those that are good, and whether they are all."""
        kept = {key: value for key, value in islice(given.items(), MAX_LABELS) if _is_label(key, value)}
        if left_out := len(given) - len(kept):
            self._counters.add(Count.PODS_VALUE_REFUSED, left_out)
        return kept, not left_out

    def owner(self, metadata: dict[str, Any], labels: dict[str, str]) -> tuple[tuple[str, str] | None, str]:
        """What made the pod, and the ReplicaSet in between."""
        for reference in _mappings(metadata.get("ownerReferences"), _MAX_OWNERS):
            if reference.get("controller") is not True:
                continue
            kind = self.text(reference, "kind", _KIND, MAX_LABEL_CHARS)
            name = self.text(reference, "name", _SUBDOMAIN, MAX_NAME_CHARS)
            if not kind or not name:
                return None, ""
            if kind != "ReplicaSet":
                return (kind, name), ""
            template = labels.get("pod-template-hash", "")
            deployment = name.removesuffix(f"-{template}") if template else name
            return (("Deployment", deployment) if deployment not in (name, "") else (kind, name)), name
        return None, ""

    def containers(self, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Container]:
        found: dict[str, Container] = {}
        for specified, told in _SORTS:
            specs = {one["name"]: one for one in _mappings(spec.get(specified), MAX_CONTAINERS) if _is_container_name(one.get("name"))}
            for one in _mappings(status.get(told), MAX_CONTAINERS):
                name = self.text(one, "name", _DNS_LABEL, MAX_LABEL_CHARS)
                if not name or name not in specs:
                    continue
                privileged = _is_privileged(specs[name])
                container = self.container(name, one, specs[name], privileged=privileged)
                if identity := _container_id(one):
                    found.setdefault(identity, container)
                before = _mapping(_mapping(one, "lastState"), "terminated")
                if identity := _container_id(before):  # its image may have been another
                    found.setdefault(identity, Container(name=name, privileged=privileged))
        return found

    def container(self, name: str, told: dict[str, Any], spec: dict[str, Any], *, privileged: bool) -> Container:
        image, tag, digest = split_image(told.get("image"))
        if not image:  # a runtime that knows no name gives the image's id
            image, tag, digest = split_image(spec.get("image"))
        if not image and (told.get("image") or spec.get("image")):
            self._counters.add(Count.PODS_VALUE_REFUSED)
        running = split_image(told.get("imageID"))[2]
        return Container(
            name=name,
            image=image,
            tag=tag,
            digest=running or digest,
            started_ns=_seconds_ns(_mapping(_mapping(told, "state"), "running").get("startedAt")),
            privileged=privileged,
        )


def _specified(spec: dict[str, Any]) -> dict[str, bool]:
    """The names in a pod's specification, and which are privileged."""
    return {one["name"]: _is_privileged(one) for sort, _ in _SORTS for one in _mappings(spec.get(sort), MAX_CONTAINERS) if _is_container_name(one.get("name"))}


def _is_container_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_LABEL_CHARS and _DNS_LABEL.fullmatch(value) is not None


def _is_privileged(container: dict[str, Any]) -> bool:
    return _mapping(container, "securityContext").get("privileged") is True


def version_number(value: object) -> int | None:
    """Return a resource version as a number, or None where it is none."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_VERSION_DIGITS else None


def _is_label(key: object, value: object) -> bool:
    if not isinstance(key, str) or not isinstance(value, str) or len(value) > MAX_LABEL_CHARS or len(key) > MAX_NAME_CHARS + 1 + MAX_LABEL_CHARS:
        return False
    parts = _QUALIFIED.fullmatch(key)
    return parts is not None and len(parts[1] or "") <= MAX_NAME_CHARS and len(parts[2]) <= MAX_LABEL_CHARS and _LABEL_VALUE.fullmatch(value) is not None


def _mapping(holder: object, key: str) -> dict[str, Any]:
    """The object that *holder* has as *key*; an empty one where there is none."""
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def _mappings(value: object, most: int) -> Iterator[dict[str, Any]]:
    return (one for one in (value[:most] if isinstance(value, list) else ()) if isinstance(one, dict))


def _container_id(holder: dict[str, Any]) -> str:
    value = holder.get("containerID")
    found = _CONTAINER_ID.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else ""


def _address(value: object) -> str:
    try:
        return str(ip_address(value)) if isinstance(value, str) and len(value) <= MAX_LABEL_CHARS else ""
    except ValueError:
        return ""


def _seconds_ns(value: object) -> int:
    """A time of the API (RFC 3339) in ns since 1970; 0 where it is none."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= MAX_LABEL_CHARS else None
        return max(0, int(moment.timestamp())) * 1_000_000_000 if moment is not None and moment.tzinfo is not None else 0
    except (ValueError, OverflowError):
        return 0
