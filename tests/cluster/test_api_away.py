# SPDX-License-Identifier: Apache-2.0
"""While the API server is away what is known stays known, and the sensor says so; when it is back, so are the names of new pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.cluster import GIVEN, pod, shell
from tests.cluster.marks import acts, identity, rows, told_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.rules.sensor import RunningSensor

AWAY = b"the API server cannot be asked for pods"


def waiting_pod(name: str, folder: Path) -> dict[str, Any]:
    """A pod that acts when there is a file ``go`` in *folder*, which is the host's."""
    one = pod(name, "", labels={"app": name}, volumes=[{"name": "signal", "hostPath": {"path": str(folder), "type": "Directory"}}])
    command = f"while [ ! -e /signal/go ]; do sleep 0.05; done; {acts(name, 'later')}"
    one["spec"]["containers"] = [shell("app", command, volumeMounts=[{"name": "signal", "mountPath": "/signal"}])]
    return one


@pytest.mark.skipif(bool(GIVEN), reason="somebody else's API server is not to be stopped")
def test_an_act_while_the_api_server_is_away(cluster: Cluster, sensor: RunningSensor, status_socket: Path, tmp_path: Path):
    """Its pod has all its names, though the first act that is told of it comes when nobody can be asked; afterwards new pods have theirs."""
    cluster.apply(waiting_pod("away", tmp_path))
    cluster.wait(lambda: cluster.ask("get", "pod", "away")["status"]["phase"] == "Running", "the pod does not run")
    uid = cluster.uids()["away"]
    since, said = sensor.mark(), len(sensor.stderr)
    cluster.script("no-apiserver")
    try:
        cluster.wait(lambda: AWAY in sensor.stderr[said:], "the sensor does not say that it cannot ask")
        (tmp_path / "go").touch()
        found = identity(told_of(sensor, since, "away", "later"))
        shown = [row for row in rows(status_socket) if row["pod_uid"] == uid]
    finally:
        cluster.script("apiserver")
    assert found == {"namespace": "default", "pod": "away", "uid": uid, "labels": {"app": "away"}, "container": "app", "first": 1}
    assert {(row["pod"], row["namespace"]) for row in shown} == {("away", "default")}
    assert {"app"} <= {row["container"] for row in shown}
    cluster.apply(pod("back", acts("back"), labels={"app": "back"}))
    found = identity(told_of(sensor, since, "back"))
    assert (found["pod"], found["labels"], found["container"]) == ("back", {"app": "back"}, "app")
