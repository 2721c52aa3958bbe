# SPDX-License-Identifier: Apache-2.0
"""The watch of the real API server when the way to it is bad, and when the place to go on from is too old."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from tests.cluster.cluster import GIVEN, SCRIPT, pod
from tests.cluster.marks import acts, identity, told_of
from tests.rules.sensor import OWN_RULES, RunningSensor

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

pytestmark = pytest.mark.skipif(bool(GIVEN), reason="somebody else's API server is not to be stopped")
TOLD = b"the API server told the pods of this node"


class Way:
    """The way to the API server, through a proxy of the test's own; a context manager."""

    def __init__(self, cluster: Cluster) -> None:
        command = [*cluster.inside, sys.executable, Path(__file__).with_name("proxy.py"), "10.77.0.1", "6443"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        """The open way."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the proxy."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def becomes(self, word: str) -> None:
        """What proxy.py knows: open, slow, cut, closed."""
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"


@pytest.fixture
def way(cluster):
    """A proxy; the sensor of the test goes through it."""
    with Way(cluster) as one:
        yield one


@pytest.fixture
def watching(cluster, way, tmp_path):
    """A sensor that asks the API server through the proxy."""
    words = list(cluster.sensor_arguments)
    at = words.index("--kubeconfig") + 1
    kubeconfig = Path(words[at]).read_text()
    through = tmp_path / "kubeconfig"
    through.write_text(kubeconfig.replace('"https://10.77.0.1:6443"', f'"https://127.0.0.1:{way.port}", tls-server-name: 10.77.0.1'))
    words[at] = str(through)
    with RunningSensor(*words, rules=(OWN_RULES,), before=cluster.inside) as running:
        yield running


def has_names(cluster: Cluster, sensor: RunningSensor, name: str, **labels: str) -> None:
    """A new pod's first act is told with its names."""
    since = sensor.mark()
    cluster.apply(pod(name, acts(name), labels=labels))
    found = identity(told_of(sensor, since, name))
    assert (found["pod"], found["uid"], found["labels"], found["container"]) == (name, cluster.uids()[name], labels, "app")


def test_connections_that_are_cut_again_and_again(cluster: Cluster, way: Way, watching: RunningSensor):
    """The watch is taken up where it was; no pod is missed and none is mixed up."""
    for turn in range(5):
        way.becomes("cut")
        has_names(cluster, watching, f"cut-{turn}", turn=str(turn))


def test_a_slow_connection(cluster: Cluster, way: Way, watching: RunningSensor):
    """Pieces of a line are put together, however small."""
    way.becomes("slow")
    for turn in range(3):
        has_names(cluster, watching, f"slow-{turn}", note="x" * 60, turn=str(turn))


def test_a_place_that_is_too_old(cluster: Cluster, way: Way, watching: RunningSensor):
    """
    While nobody watched, the history went: etcd was compacted and the API server started anew.

    The list is read again; what was deleted meanwhile is gone and what is new has its names.
    """
    has_names(cluster, watching, "before", made="before")
    way.becomes("closed")
    said = len(watching.stderr)
    cluster.apply(pod("meanwhile", "sleep 3600", labels={"made": "meanwhile"}))
    cluster.delete("before")
    endpoint = ("inside", "etcdctl", "--endpoints", "http://127.0.0.1:2379")
    status = subprocess.run([SCRIPT, *endpoint, "endpoint", "status", "-w", "json"], capture_output=True, check=True)
    revision = json.loads(status.stdout)[0]["Status"]["header"]["revision"]
    cluster.script(*endpoint, "compact", str(revision))
    cluster.script("no-apiserver")
    cluster.script("apiserver")
    way.becomes("open")
    cluster.wait(lambda: TOLD in watching.stderr[said:], "the list is not read again")
    has_names(cluster, watching, "before", made="afterwards")
