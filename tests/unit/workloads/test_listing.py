# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import replace

from sensor.events.dimensions import Profile
from sensor.workloads.containers import HOST, UNKNOWN, Workload, identify
from sensor.workloads.listing import listing, render
from sensor.workloads.pods import Container
from tests.unit.pods_factory import cgroup_path, id_of, make_pod, uid_of

WEB = Container(name="app", image="docker.io/example/web", tag="1", privileged=True)


def named(number, pod, container):
    return replace(identify(cgroup_path(number)), pod=pod, container=container)


def test_a_container_is_one_row_whatever_it_did():
    """Cgroups of its own making add none, the host is left out, and a container that has not acted is there by the API server's word."""
    pod = make_pod(1, owner=("Deployment", "web"), host_network=True, service_account="web", containers={id_of(1): WEB, id_of(2): Container(name="side")})
    rows = listing([HOST, UNKNOWN, named(1, pod, WEB), named(1, pod, WEB)], [pod])
    assert [(row["container"], row["cgroup"]) for row in rows] == [("app", True), ("side", False)]
    first = rows[0]
    assert (first["namespace"], first["pod"], first["pod_uid"], first["owner"], first["labels"]) == (
        "shop",
        "web-1",
        uid_of(1),
        "Deployment/web",
        {"app": "web"},
    )
    assert (first["image"], first["tag"], first["privileged"], first["host_network"], first["id"]) == ("docker.io/example/web", "1", True, True, id_of(1))
    json.dumps(rows)


def test_what_nobody_told_is_null():
    """A pod that nobody told of, a container of no pod, and what a user's own cgroup claims to be."""
    claim = Workload(profile=Profile.UNKNOWN, claim="podman:abc of uid 1000")
    rows = listing([identify(cgroup_path(1)), identify("/docker/" + "cd" * 32), claim], [])
    assert {(row["pod_uid"], row["runtime"], row["claim"]) for row in rows} == {
        (uid_of(1), None, None),
        (None, "docker", None),
        (None, None, "podman:abc of uid 1000"),
    }
    assert all(row["pod"] is None and row["container"] is None for row in rows)


def test_the_table_is_for_people():
    """Sandboxes are left out, what is special stands at the end, and nothing that somebody chose reaches the terminal as it is."""
    pod = make_pod(1, owner=("Job", "j"), host_pid=True, runtime_class="gvisor")
    sandbox = Container(name="POD", is_sandbox=True)
    rows = listing([named(1, pod, WEB), named(2, pod, sandbox)], [])
    rows += [rows[1] | {"pod": "evil\x1b[2J", "image": "x" * 100, "cgroup": False}]
    lines = render(rows).splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["NAMESPACE", "POD", "CONTAINER", "IMAGE", "OWNER", "RUNTIME", "ID"]
    assert lines[1].split()[:6] == ["shop", "web-1", "app", "docker.io/example/web:1", "Job/j", "-"]
    assert lines[1].endswith("privileged, host pids, runtime class gvisor")
    assert "\x1b" not in lines[2]
    assert "…" in lines[2]
    assert "not seen yet" in lines[2]
    assert render([]) == "no containers\n"
