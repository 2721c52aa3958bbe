# SPDX-License-Identifier: Apache-2.0
"""The first act of a container's first process is told with its pod's names, labels and container: every one, and never another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.cluster import pod
from tests.cluster.marks import acts, identity, told_of
from tests.rules.sensor import asked

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.rules.sensor import RunningSensor

PODS, AT_ONCE = 100, 20


def test_every_first_act_has_its_names(cluster: Cluster, sensor: RunningSensor):
    """100 of 100, and each one's own; the shell that acts is the container's first process."""
    wrong = {}
    for batch in range(0, PODS, AT_ONCE):
        names = [f"first-{at}" for at in range(batch, batch + AT_ONCE)]
        since = sensor.mark()
        cluster.apply(*(pod(name, acts(name), labels={"number": name[6:], "batch": str(batch)}, container=f"c{name[6:]}") for name in names))
        findings = {name: told_of(sensor, since, name) for name in names}
        uids = cluster.uids()
        for name, finding in findings.items():
            wanted = {
                "namespace": "default",
                "pod": name,
                "uid": uids[name],
                "labels": {"number": name[6:], "batch": str(batch)},
                "container": f"c{name[6:]}",
                "first": 1,
            }
            if identity(finding) != wanted:
                wrong[name] = identity(finding)
        marks = [asked(finding) for finding in sensor.since(since) if finding["rule"]["id"] == "TEST-OPEN"]
        assert sorted(marks) == sorted(f"/scout-test/mark/first-{name}" for name in names)
        cluster.delete(*names)
    assert wrong == {}


def test_a_pod_made_again_under_its_name_is_another(cluster: Cluster, sensor: RunningSensor):
    """Ten times the same name, each with labels of its own: an act has those of the pod that did it."""
    for turn in range(10):
        since = sensor.mark()
        cluster.apply(pod("again", acts("again"), labels={"turn": str(turn)}))
        finding = told_of(sensor, since, "again")
        assert identity(finding)["uid"] == cluster.uids()["again"]
        assert identity(finding)["labels"] == {"turn": str(turn)}
        cluster.delete("again")
