# SPDX-License-Identifier: Apache-2.0
"""Pods for tests: as the API server writes them, and as they are kept."""

from __future__ import annotations

from typing import Any

from sensor.workloads.pods import Container, Pod

NODE = "n1"
DIGEST = "sha256:" + "ab" * 32


def uid_of(number: int) -> str:
    """Return the UID of the *number*-th pod."""
    return f"8c1c7ad4-0000-4000-8000-{number:012x}"


def id_of(number: int) -> str:
    """Return the id of the *number*-th container."""
    return f"{number:064x}"


def pod_object(number: int = 1, *, name: str | None = None, version: int | None = None, container: int | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a pod of one running container called app, of a Deployment; its parts are the test's to change."""
    return {
        "kind": "Pod",
        "metadata": {
            "uid": uid_of(number),
            "namespace": "shop",
            "name": name or f"web-5d4f8c7b6-{number:05}",
            "resourceVersion": str(version if version is not None else 100 + number),
            "labels": {"app": "web", "app.kubernetes.io/name": "Web_1.0", "pod-template-hash": "5d4f8c7b6"},
            "annotations": {"big": "x" * 1_000},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d4f8c7b6", "uid": uid_of(9_999), "controller": True}],
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:x": {}}}}] * 3,
            **metadata,
        },
        "spec": {
            "nodeName": NODE,
            "serviceAccountName": "web",
            "containers": [{"name": "app", "image": "example/web:1", "securityContext": {"privileged": True}}],
        },
        "status": {
            "podIP": "10.1.2.3",
            "containerStatuses": [
                {
                    "name": "app",
                    "image": "docker.io/example/web:1",
                    "imageID": f"docker.io/example/web@{DIGEST}",
                    "containerID": f"containerd://{id_of(container or number)}",
                    "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}},
                }
            ],
        },
    }


def make_pod(number: int = 1, **values: Any) -> Pod:
    """Return the *number*-th pod as it is kept, with one container."""
    kept = {"containers": {id_of(number): Container(name="app", image="example/web", tag="1")}, "labels": {"app": "web"}, **values}
    return Pod(**{"uid": uid_of(number), "namespace": "shop", "name": f"web-{number}", **kept})


def cgroup_path(number: int = 1, container: int | None = None) -> bytes:
    """Return the path of its container's cgroup."""
    return f"/kubepods/burstable/pod{uid_of(number)}/{id_of(container or number)}".encode()
