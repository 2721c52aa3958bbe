# SPDX-License-Identifier: Apache-2.0
"""
What containerd wrote down of a container before it began: its name, its image, whether it is a pod's sandbox.

The kubelet tells the API server of a container a second or two after its start;
the bundle that containerd hands to runc has the name before the first process
runs. It is read when an act comes first, once or twice in a container's life.

Only what containerd itself sets is believed: it sets these annotations after
those that a pod's author may pass through, so that nobody can choose them. The
pod they tell of must be the one in the cgroup's path. CRI-O merges a pod's own
annotations into its bundles, so nothing is read of those.

Source:
    containerd internal/cri/annotations, internal/cri/server/container_create.go (the order), core/runtime/v2/bundle.go (the place).
"""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOTS = (Path("/"), Path("/proc/1/root"))
"""This mount namespace, and the node's own where we run in a pod that shares its process ids."""

STATES = tuple(map(Path, ("/run/containerd", "/run/k3s/containerd", "/run/k0s/containerd", "/var/snap/microk8s/common/run/containerd")))
"""Where containerd keeps what runs: ``state`` in its configuration."""

_BELOW = "io.containerd.runtime.v2.task/k8s.io"
_MAX_BYTES = 1 << 20
"""A bundle's configuration with a long seccomp profile has some 60 KB."""

_ID = re.compile(r"[0-9a-f]{64}")
_PREFIX = "io.kubernetes.cri."


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is believed of one."""

    is_sandbox: bool
    name: str = ""
    """The container's, in its pod's specification; not checked against it."""

    image: str = ""
    """Reference of the image, as containerd resolved it."""


class BundleReader:
    """
    Reads bundles by container id.

    Args:
        states: folders in which containerd may keep its state.
        roots: the file systems in which these may lie.
    """

    def __init__(self, states: tuple[Path, ...] = STATES, roots: tuple[Path, ...] = ROOTS) -> None:
        self._folders = tuple(root / str(state).lstrip("/") / _BELOW for root in roots for state in states)

    def __call__(self, container_id: str, pod_uid: str) -> Bundle | None:
        """Return the bundle of a container in the pod that its cgroup's path calls *pod_uid*; None where there is none to be believed. Some 0.2 ms."""
        if not _ID.fullmatch(container_id):
            return None
        for folder in self._folders:
            content = _read(folder / container_id / "config.json")
            if content:
                return _bundle(content, pod_uid)
        return None


def _read(path: Path) -> bytes:
    try:
        with io.FileIO(path, opener=_opened) as raw, io.BufferedReader(raw) as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError:
        return b""
    return content if len(content) <= _MAX_BYTES else b""


def _opened(path: str, flags: int) -> int:
    """A link is followed nowhere, and a pipe waits for nobody."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _bundle(content: bytes, pod_uid: str) -> Bundle | None:
    try:
        config: Any = json.loads(content)
    except (ValueError, RecursionError):  # ValueError: no JSON, no UTF-8
        return None
    annotations = config.get("annotations") if isinstance(config, dict) else None
    if not isinstance(annotations, dict) or annotations.get(_PREFIX + "sandbox-uid", pod_uid) != pod_uid:  # containerd before 1.6 does not tell
        return None
    kind = annotations.get(_PREFIX + "container-type")
    if kind not in ("sandbox", "container"):
        return None
    is_sandbox = kind == "sandbox"
    name = "" if is_sandbox else annotations.get(_PREFIX + "container-name")
    image = annotations.get(_PREFIX + ("podsandbox.image-name" if is_sandbox else "image-name"))
    return Bundle(is_sandbox=is_sandbox, name=name, image=image if isinstance(image, str) else "") if isinstance(name, str) else None
