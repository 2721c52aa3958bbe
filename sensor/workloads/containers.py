# SPDX-License-Identifier: Apache-2.0
"""
Which container a cgroup belongs to, read from the cgroup's path alone.

Runtimes write the container's id, and the kubelet the pod's UID, into the
names of the directories they make. The path comes from the kernel with every
frame, so no call to a runtime stands between an act and its container. Three
promises:

* A name is never wrong. What is not certain is `Profile.UNKNOWN`, which widens
  rules and never narrows them; what is nobody's container is the host.
* **The outermost container wins.** A container may make cgroups of its own and
  name them like another's; nothing below its own directory is believed.
* **What a user of the machine can make is a claim, not a fact.** Below
  ``user.slice/user-UID.slice`` (UID not 0) systemd hands cgroups to that user,
  so a rootless container there and a process that only pretends look alike: the
  profile is UNKNOWN (rules for containers and rules for the host are both
  asked) and what the path says stands in ``claim``, never in ``container_id``.

Left out: LXC, systemd-nspawn and virtual machines (host); plain runc under a
short name, which looks like any host cgroup (host). A kubelet inside a container
(kind, minikube) is that container's business unless *node_root* names it.

Sources: kubelet pkg/kubelet/cm/cgroup_manager_linux.go and pod_container_manager_linux.go;
containerd internal/cri/server/podsandbox; cri-o internal/config/cgmgr; moby
daemon/oci_linux.go; podman libpod/container_internal_linux.go; runc
libcontainer/cgroups/systemd; Amazon ECS agent/api/task.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.events.dimensions import Profile

if TYPE_CHECKING:
    from sensor.workloads.pods import Container, Pod

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_SHORT_ID_IN_POD = re.compile(r"[0-9a-f]{32}")  # only a pod's own directory makes 32 digits an id: elsewhere they are anybody's
_UID = r"[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32}"  # 32 digits: a static pod's hash
_POD = re.compile(rf"pod({_UID})")
_POD_SLICE = re.compile(rf"(?:[^/]+-)?kubepods(?:-burstable|-besteffort)?-pod({_UID})\.slice")  # kubelet --cgroup-root puts a name in front
_KUBEPODS = re.compile(r"kubepods|(?:[^/]+-)?kubepods\.slice")

_PREFIXES = {
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "docker": "docker",
    "libpod": "podman",
}
_HEX_SCOPE = re.compile(rf"({'|'.join(_PREFIXES)})-([0-9a-f]{{64}})(?:\.scope)?")  # without .scope: the cgroupfs driver
_COLON = re.compile(rf"([^/]*):({'|'.join(_PREFIXES)}):([0-9a-f]{{64}})")  # a systemd name given to the cgroupfs driver: slice:prefix:id

_CONTAINERD_NAMESPACES = frozenset({"default", "k8s.io", "moby"})
_CONTAINERD_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")  # containerd pkg/identifiers
_CONTAINERD_NAME_CHARS = 76  # containerd pkg/identifiers, maxLength
_BUILDKIT_ID = re.compile(r"[0-9a-z]{25}")  # moby/buildkit identity/randomid.go
_ECS_TASK = re.compile(r"[0-9a-f]{32}")
_FARGATE_ID = re.compile(r"[0-9a-f]{32}-[0-9]{1,12}")  # task id and the container's number

_USER_SLICE = re.compile(r"user-([0-9]{1,10})\.slice")
_RUNTIME_BY_TOP = {"docker": "docker", "libpod_parent": "podman", "ecs": "docker", "k8s.io": "containerd", "default": "containerd", "moby": "docker"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What an event belongs to."""

    profile: Profile
    """HOST, CONTAINER, or UNKNOWN where the path does not prove either."""

    container_id: str = ""
    """The runtime's id: 64 hex digits, or containerd's plain name; empty for everything but a CONTAINER."""

    runtime: str = ""
    """``containerd``, ``cri-o``, ``docker``, ``podman``, ``buildkit``; empty when the path does not say."""

    pod_uid: str = ""
    """The pod's UID as the API server writes it, or a static pod's 32 digits; empty outside of pods."""

    claim: str = ""
    """UNKNOWN only: ``podman:ID of uid 1000``, what a user's own cgroup calls itself. For people; nothing may act on it."""

    pod: Pod | None = None
    """What the API server says of the pod; None outside of pods and while it has said nothing."""

    container: Container | None = None
    """What it says of the container, likewise."""


HOST = Workload(profile=Profile.HOST)
"""Not in a container."""

UNKNOWN = Workload(profile=Profile.UNKNOWN)
"""The path is missing or has lost its front."""


def identify(cgroup_path: bytes | str, *, cut: bool = False, node_root: str = "") -> Workload:
    """
    Say which container a cgroup belongs to.

    Args:
        cgroup_path:
            Path below the hierarchy's root, as in ``/proc/PID/cgroup``: with a
            leading slash. Any bytes; what is not UTF-8 is nobody's name.
        cut:
            The path has lost its front (`FrameFlag.CGROUP_CUT`). Then its
            outermost container is not known, and what is left may be a
            container's own invention: the answer is UNKNOWN.
        node_root:
            Where this node's own cgroups begin, when the node is itself a
            container (kind): the part above it is left out. A path outside of
            it is another machine's, hence the host's.

    Returns:
        One of `HOST`, `UNKNOWN`, or a workload of its own.
    """
    if cut or not cgroup_path:
        return UNKNOWN
    path = cgroup_path.decode("utf-8", "backslashreplace") if isinstance(cgroup_path, bytes) else cgroup_path
    if node_root:
        below = path.removeprefix(node_root.rstrip("/"))
        if below == path or not below.startswith("/"):
            return HOST
        path = below
    parts = [part for part in path.split("/") if part]
    found = _outermost(parts)
    if found is None:
        return HOST
    place, container_id, runtime, pod_uid = found
    owner = _owner(parts[:place])
    if owner:
        return Workload(profile=Profile.UNKNOWN, claim=f"{runtime or 'container'}:{container_id} of uid {owner}")
    return Workload(profile=Profile.CONTAINER, container_id=container_id, runtime=runtime, pod_uid=pod_uid)


def _outermost(parts: list[str]) -> tuple[int, str, str, str] | None:
    """The first directory that is a container's: its place, id, runtime, and the UID of the pod it lies in."""
    pod_uid = ""
    in_kubepods = False
    for place, part in enumerate(parts):
        in_kubepods = in_kubepods or _KUBEPODS.fullmatch(part) is not None
        if in_kubepods and (pod := _POD.fullmatch(part) or _POD_SLICE.fullmatch(part)):
            pod_uid = _dashed(pod[1])
            continue
        if colon := _COLON.fullmatch(part):
            pod = _POD_SLICE.fullmatch(colon[1])
            return place, colon[3], _PREFIXES[colon[2]], _dashed(pod[1]) if pod else pod_uid
        named = _named(parts, place, in_pod=bool(pod_uid))
        if named:
            return place, named[0], named[1], pod_uid
    return None


def _named(parts: list[str], place: int, *, in_pod: bool) -> tuple[str, str] | None:
    """The id and runtime that the directory at *place* carries in its name, if it is a container's."""
    part = parts[place]
    if scope := _HEX_SCOPE.fullmatch(part):
        return scope[2], _PREFIXES[scope[1]]
    if _CONTAINER_ID.fullmatch(part) or (in_pod and _SHORT_ID_IN_POD.fullmatch(part)):
        return part, "" if in_pod else _RUNTIME_BY_TOP.get(parts[0], "")
    if place == 1 and parts[0] in _CONTAINERD_NAMESPACES and len(part) <= _CONTAINERD_NAME_CHARS and _CONTAINERD_NAME.fullmatch(part):
        return part, "containerd"
    if place == 2 and parts[:2] == ["docker", "buildkit"] and _BUILDKIT_ID.fullmatch(part):  # noqa: PLR2004  # the third directory
        return part, "buildkit"
    if parts[0] == "ecs" and place >= 2 and _ECS_TASK.fullmatch(parts[place - 1]) and _FARGATE_ID.fullmatch(part):  # noqa: PLR2004  # /ecs/TASK/…
        return part, "containerd"
    return None


def _owner(parts: list[str]) -> int:
    """The user id, not 0, whom systemd gave the cgroups that *parts* lie below; 0 when it is root's."""
    if parts[:1] != ["user.slice"]:
        return 0
    user = _USER_SLICE.fullmatch(parts[1]) if len(parts) > 1 else None
    return int(user[1]) if user else 0


def _dashed(uid: str) -> str:
    """A pod's UID as the API has it: systemd's names cannot hold a dash and have underscores."""
    return uid.replace("_", "-")
