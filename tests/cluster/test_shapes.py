# SPDX-License-Identifier: Apache-2.0
"""Pods of every shape: several containers, one before the others, a static pod, a Deployment's, one on the host's network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import GIVEN, IMAGE, pod, shell
from tests.cluster.marks import acts, identity, rows, told_of

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.rules.sensor import RunningSensor


def test_each_container_of_a_pod_has_its_own_name(cluster: Cluster, sensor: RunningSensor):
    """Two beside each other, and one that runs before them."""
    since = sensor.mark()
    many = pod("many", "", labels={"app": "many"}, initContainers=[shell("before", acts("many", "before", then="true"))])
    many["spec"]["containers"] = [shell("one", acts("many", "one")), shell("two", acts("many", "two"))]
    cluster.apply(many)
    found = {name: identity(told_of(sensor, since, "many", name)) for name in ("before", "one", "two")}
    assert {name: one["container"] for name, one in found.items()} == {"before": "before", "one": "one", "two": "two"}
    assert {(one["pod"], one["uid"], one["labels"]["app"]) for one in found.values()} == {("many", cluster.uids()["many"], "many")}


def test_image_and_privileges(cluster: Cluster, sensor: RunningSensor, status_socket: Path):
    """What runs is told with its image; a privileged container as one."""
    since = sensor.mark()
    one = pod("strong", "")
    one["spec"]["containers"] = [shell("strong", acts("strong"), securityContext={"privileged": True})]
    cluster.apply(one, pod("weak", acts("weak")))
    for name, privileged in (("strong", True), ("weak", False)):
        container = told_of(sensor, since, name)["container"]
        (row,) = [row for row in rows(status_socket) if row["id"] == container["id"]]
        assert container["image"].startswith(IMAGE.partition(":")[0])
        assert (row["pod"], row["privileged"]) == (name, privileged)


def test_a_pod_on_the_host_s_network_is_a_pod(cluster: Cluster, sensor: RunningSensor):
    """It shares the node's network and is no part of the host for that."""
    since = sensor.mark()
    cluster.apply(pod("hostly", acts("hostly"), hostNetwork=True, hostPID=False))
    finding = told_of(sensor, since, "hostly")
    assert (finding["scope"], identity(finding)["pod"], identity(finding)["container"]) == ("container", "hostly", "app")


def test_a_deployment_is_the_owner(cluster: Cluster, sensor: RunningSensor):
    """Behind its ReplicaSet."""
    since = sensor.mark()
    template = pod("web", acts("web"), labels={"app": "web"})
    template["spec"]["restartPolicy"] = "Always"
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": template["spec"]}},
    }
    cluster.apply(deployment)
    try:
        finding = told_of(sensor, since, "web")
        assert (finding["pod"]["owner"]["kind"], finding["pod"]["owner"]["name"]) == ("Deployment", "web")
    finally:
        cluster.kubectl("delete", "deployment", "web", "--cascade=foreground", "--wait=true", seconds=120)


@pytest.mark.skipif(bool(GIVEN), reason="a static pod is a file on the node")
def test_a_static_pod_is_known_by_its_mirror(cluster: Cluster, sensor: RunningSensor):
    """Its cgroup has the hash of its manifest, which the API server's mirror of it tells."""
    since = sensor.mark()
    manifest = Path(cluster.state) / "manifests" / "fixed.json"
    manifest.write_text(json.dumps(pod("fixed", acts("fixed"), labels={"app": "fixed"})))
    try:
        found = identity(told_of(sensor, since, "fixed"))
        assert (found["pod"], found["namespace"], found["container"]) == (f"fixed-{cluster.node}", "default", "app")
        assert found["labels"] == {"app": "fixed"}
    finally:
        manifest.unlink()
        cluster.wait(lambda: f"fixed-{cluster.node}" not in cluster.uids(), "the static pod stays", seconds=90)
