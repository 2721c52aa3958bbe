# SPDX-License-Identifier: Apache-2.0
"""Acts in cgroups as the kubelet names them, and a fake API server, which can be asked to tell of their pods early, late and never."""

from __future__ import annotations

import threading

import pytest

from sensor.workloads import cgroups
from tests.bpf.agent import MARK_NAME, RULES, Agent, scout
from tests.bpf.live import fewer
from tests.unit.pods_factory import NODE, id_of, pod_object, uid_of

POD_RULE = f"""
- rule: Marked file opened in a shop
  id: TEST-POD
  desc: A file of a name that only the tests use, by a pod of one namespace.
  condition: evt.type in (open, openat) and fd.num >= 0 and fd.filename = {MARK_NAME} and k8s.ns.name = shop and k8s.pod.label[app] = web
  output: "opened by %k8s.ns.name/%k8s.pod.name %k8s.deployment.name %container.image.repository"
  priority: NOTICE
"""


@pytest.fixture
def make_container(name):
    """Make the cgroups of a pod's container, as the systemd driver has them; the slice above has a name of the test's own."""
    root = cgroups.detect().mount_point / f"{name}-kubepods.slice"
    root.mkdir()
    made = [root]

    def make(number):
        pod = root / f"{name}-kubepods-burstable-pod{uid_of(number).replace('-', '_')}.slice"
        container = pod / f"cri-containerd-{id_of(number)}.scope"
        for path in (pod, container):
            path.mkdir()
            made.append(path)
        return container / "cgroup.procs"

    yield make
    for path in reversed(made):
        path.rmdir()


@pytest.fixture
def words(tmp_path, server):
    """The command line's."""
    rules = tmp_path / "own.yaml"
    rules.write_text(RULES + POD_RULE)
    return ("--rules", rules, "--output", "json", "--kubeconfig", server.kubeconfig(tmp_path / "kubeconfig"), "--node", NODE, "--names-wait", "4")


def test_an_act_has_its_pods_name_and_never_anothers(server, words, tmp_path, driver, make_container):
    """Of a pod known before: at once. Of one told after the act: late, with its names. Of one never told: late, without, and the rule is not evaded."""
    marked = tmp_path / MARK_NAME
    marked.touch()
    news, end = threading.Event(), threading.Event()
    other = pod_object(4, namespace="elsewhere")
    server.say_list(pod_object(1), other)
    server.say_changes(news, ("ADDED", pod_object(2)), end)
    procs = {number: make_container(number) for number in (1, 2, 3, 4)}
    try:
        with Agent(*words, "--status-socket", tmp_path / "socket") as agent:
            agent.ready()
            agent.wait(lambda: b"told the pods" in agent.err, "the list of pods")

            def act(number):
                driver("put", procs[number], "0", "comm", f"pod{number}", "open", marked, 0, 0)

            for number in (1, 2, 3, 4):
                act(number)
            agent.fence()
            assert {one["process"]["name"] for one in agent.of("TEST-POD")} == {"pod1"}
            news.set()
            found = {number: agent.finding("TEST-POD", name=f"pod{number}") for number in (1, 2, 3)}
            act(3)
            agent.fence()
            again = agent.of("TEST-POD")
            listed = scout("ps", "--status-socket", tmp_path / "socket").stdout.splitlines()
            assert agent.end() == 0
    finally:
        news.set()
        end.set()
    assert [found[number]["late"] for number in (1, 2, 3)] == [False, True, True]
    assert [found[number]["namespace"] for number in (1, 2, 3)] == ["shop", "shop", None]
    assert [found[number]["pod"]["uid"] for number in (1, 2, 3)] == [uid_of(number) for number in (1, 2, 3)]
    assert found[2]["pod"]["name"] == "web-5d4f8c7b6-00002"
    assert found[2]["pod"]["owner"] == {"kind": "Deployment", "name": "web"}
    assert found[3]["pod"] == {"name": None, "uid": uid_of(3), "labels": None, "owner": None}
    assert found[1]["container"]["name"] == "app"
    assert found[1]["output"] == "opened by shop/web-5d4f8c7b6-00001 web docker.io/example/web"
    for row in (("shop", "web-5d4f8c7b6-00001", "app"), ("-", uid_of(3), "-")):
        assert any(tuple(line.split()[:3]) == row for line in listed), listed
    assert "pod4" not in {one["process"]["name"] for one in again}, "another namespace's pod is not what the rule is about"
    assert [one["late"] for one in again if one["process"]["name"] == "pod3"] == [True, False], "a container is waited for once"


def test_pods_that_come_and_go_are_never_mixed_up(server, words, tmp_path, driver, make_container):
    """
    Sixty pods of five names, each of which acts once: every act is found, and has the UID, name and label of its own pod.

    Every other one is told of after its act, and each takes its name over from one that was deleted a moment before.
    """
    marked = tmp_path / MARK_NAME
    marked.touch()
    pods, names = fewer(60), 5
    objects = {number: pod_object(number, name=f"db-{number % names}", labels={"app": "web", "n": str(number)}) for number in range(1, pods + 1)}
    gates = {number: threading.Event() for number in objects}
    pieces = []
    for number, item in objects.items():
        gone = [("DELETED", objects[number - names])] if number > names else []
        pieces += [gates[number], *gone, ("ADDED", item)]
    server.say_list()
    server.say_changes(*pieces, threading.Event())
    try:
        with Agent(*words) as agent:
            agent.ready()
            for number in objects:
                procs = make_container(number)
                if number % 2:
                    gates[number].set()
                driver("put", procs, "0", "comm", f"churn{number}", "open", marked, 0, 0)
                gates[number].set()
            found = {number: agent.finding("TEST-OPEN", name=f"churn{number}") for number in objects}
            assert agent.end() == 0
    finally:
        for gate in gates.values():
            gate.set()
    told = {number: (one["pod"]["uid"], one["pod"]["name"], (one["pod"]["labels"] or {}).get("n")) for number, one in found.items()}
    assert told == {number: (uid_of(number), f"db-{number % names}", str(number)) for number in objects}
    assert len(agent.of("TEST-OPEN")) == pods
