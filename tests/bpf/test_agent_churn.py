# SPDX-License-Identifier: Apache-2.0
"""
A node where containers come and go, with real cgroups and processes and a fake API server.

Nothing is paced: what takes a node a minute happens in seconds here. Runtimes
make a cgroup, put a process into it, and remove it when the last one has ended;
so does this test.
"""

from __future__ import annotations

import os
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from sensor.workloads import cgroups
from tests.bpf.agent import MARK_NAME, RULES, Agent
from tests.bpf.live import fewer
from tests.unit.pods_factory import NODE, id_of, pod_object, uid_of

CONTAINERS = ("web", "proxy", "log")
LIVING = 50
"""Pods at a time; the 51st takes the name of the first."""

GROWTH_KIB = 6 * 1024
"""What the agent may take more after hundreds of pods than after the first hundred; a leak of the pods' objects would be ten times that."""


def identity(pod: int, container: int) -> str:
    """A container's id."""
    return id_of(pod * 10 + container)


def described(pod: int) -> dict:
    """A pod of three containers, as the API server tells it."""
    item = pod_object(pod, name=f"shop-{pod % LIVING}", labels={"app": "web", "number": str(pod)})
    item["spec"]["containers"] = [{"name": name, "image": f"example/{name}:1"} for name in CONTAINERS]
    item["status"]["containerStatuses"] = [
        {**item["status"]["containerStatuses"][0], "name": name, "containerID": f"containerd://{identity(pod, at)}"} for at, name in enumerate(CONTAINERS)
    ]
    return item


class Node:
    """The cgroups that a kubelet with the cgroupfs driver would make, below one of the test's own; a context manager."""

    def __init__(self, name: str) -> None:
        self.root = cgroups.detect().mount_point / name / "kubepods"

    def __enter__(self) -> Node:  # noqa: PYI034  # nobody derives from it
        """The empty node."""
        self.root.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what is left."""
        for folder, _folders, _files in os.walk(self.root.parent, topdown=False):
            Path(folder).rmdir()

    def make(self, pod: int, container: int) -> Path:
        """Make a container's cgroup; returns the file that takes its first process."""
        folder = self.root / f"pod{uid_of(pod)}" / identity(pod, container)
        folder.mkdir(parents=True)
        return folder / "cgroup.procs"

    def remove(self, pod: int) -> None:
        """Remove a pod's cgroups, whose processes have ended."""
        folder = self.root / f"pod{uid_of(pod)}"
        for one in [*(path for path in folder.iterdir() if path.is_dir()), folder]:
            one.rmdir()


@pytest.fixture
def words(tmp_path, server):
    """The command line's."""
    rules = tmp_path / "own.yaml"
    rules.write_text(RULES)
    return ("--rules", rules, "--output", "json", "--kubeconfig", server.kubeconfig(tmp_path / "kubeconfig"), "--node", NODE, "--names-wait", "10")


def told(finding: dict) -> tuple:
    """Who acted, and whose act a finding says it was."""
    pod, container = finding["pod"], finding["container"]
    return finding["process"]["name"], pod["uid"], pod["name"], (pod["labels"] or {}).get("number"), container["id"], container["name"]


def test_pods_of_three_containers_come_and_go(server, words, tmp_path, driver, name):
    """
    Every act of 350 pods is found and is its own container's, though names are used again at once and every third pod is told of after it acted.

    Of what is gone nothing stays: the agent takes no more than after the first hundred.
    """
    marked, pods, warm = tmp_path / MARK_NAME, fewer(350), fewer(100)
    marked.touch()
    numbers = range(1, pods + 1)
    before, after = ({number: threading.Event() for number in numbers} for _ in range(2))
    pieces = []
    for number in numbers:
        gone = [("DELETED", described(number - LIVING))] if number > LIVING else []
        pieces += [before[number], *gone, *([after[number]] if number % 3 == 0 else []), ("ADDED", described(number))]
    server.say_list()
    server.say_changes(*pieces, threading.Event())
    memory = []
    try:
        with Node(name) as node, Agent(*words) as agent:
            agent.ready()
            for number in numbers:
                before[number].set()
                for at in range(len(CONTAINERS)):
                    driver("put", node.make(number, at), "0", "comm", f"c{number}-{at}", "open", marked, 0, 0)
                after[number].set()
                if number > LIVING:
                    node.remove(number - LIVING)
                if number in (warm, pods):
                    for at in range(len(CONTAINERS)):
                        agent.finding("TEST-OPEN", name=f"c{number}-{at}")
                    agent.fence()
                    memory.append(agent.rss_kib())
            assert agent.end() == 0
            found = agent.of("TEST-OPEN")
    finally:
        for gate in (*before.values(), *after.values()):
            gate.set()
    assert sorted(map(told, found)) == sorted(
        (f"c{pod}-{at}", uid_of(pod), f"shop-{pod % LIVING}", str(pod), identity(pod, at), container)
        for pod in numbers
        for at, container in enumerate(CONTAINERS)
    )
    assert all(later - earlier < GROWTH_KIB for earlier, later in pairwise(memory)), memory


def test_containers_that_live_for_milliseconds(server, words, tmp_path, driver, name):
    """500 that do one act and are gone: all are found, with id and, where the API server had told of the pod, with its names."""
    marked, count = tmp_path / MARK_NAME, fewer(500)
    marked.touch()
    known = [number for number in range(1, count + 1) if number % 2]
    server.say_list(*(described(number) for number in known))
    server.say_changes(threading.Event())
    with Node(name) as node, Agent(*words[:-1], "0.2") as agent:
        agent.ready()
        agent.wait(lambda: b"told the pods" in agent.err, "the list of pods")
        for number in range(1, count + 1):
            driver("put", node.make(number, 0), "0", "comm", f"s{number}", "open", marked, 0, 0)
            node.remove(number)
        agent.finding("TEST-OPEN", name=f"s{count}")
        assert agent.end() == 0
        found = agent.of("TEST-OPEN")
    assert sorted((one["process"]["name"], one["container"]["id"]) for one in found) == sorted(
        (f"s{number}", identity(number, 0)) for number in range(1, count + 1)
    )
    named = {name: (pod, label) for name, _uid, pod, label, _id, _container in map(told, found) if pod}
    assert named == {f"s{number}": (f"shop-{number % LIVING}", str(number)) for number in known}
