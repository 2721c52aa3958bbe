# SPDX-License-Identifier: Apache-2.0
"""The tests' own Kubernetes node (`node/node.sh`), or the one that ``KUBECONFIG`` names, and pods on it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rules.waits import Deadline, patience_s

SCRIPT = Path(__file__).parent / "node" / "node.sh"
IMAGE = "localhost/busybox:1"
GIVEN = os.environ.get("KUBECONFIG", "")

Manifest = dict[str, Any]


class ClusterFailed(Exception):
    """The cluster did not do what the test waited for."""


@dataclass
class Cluster:
    """A cluster of one node, on this machine."""

    made: list[str] = field(default_factory=list)
    """Pods that are to be deleted at a test's end."""

    @property
    def state(self) -> Path:
        """Where the tests' own node keeps its files."""
        return Path(os.environ.get("SCOUT_CLUSTER") or "/var/tmp/scout-cluster")

    @property
    def inside(self) -> tuple[str, ...]:
        """What runs a command where the API server can be reached."""
        if GIVEN:
            return ()
        holder = (self.state / "run" / "holder.pid").read_text().strip()
        return ("nsenter", "--target", holder, "--mount", "--net", "--")

    @property
    def node(self) -> str:
        """The node's name."""
        return self.ask("get", "nodes")["items"][0]["metadata"]["name"]

    @property
    def sensor_arguments(self) -> tuple[str, ...]:
        """How `scout run` is told of it."""
        if GIVEN:
            return ("--node", self.node)
        kubeconfig, containerd = self.state / "etc" / "admin.kubeconfig", self.state / "containerd" / "state"
        return ("--node", self.node, "--kubeconfig", str(kubeconfig), "--containerd-state", str(containerd))

    def script(self, *words: str) -> None:
        """Run a command of node.sh; what it says goes where pytest's output goes."""
        subprocess.run([SCRIPT, *words], check=True, timeout=patience_s(600))

    def kubectl(self, *words: str, given: str = "", seconds: float = 60) -> str:
        """Run kubectl with *given* on its standard input; returns what it prints."""
        command = ["kubectl"] if GIVEN else [str(SCRIPT), "kubectl"]
        done = subprocess.run([*command, *words], input=given, capture_output=True, text=True, check=False, timeout=patience_s(seconds))
        if done.returncode:
            raise ClusterFailed(f"kubectl {' '.join(words)}: {done.stderr}")
        return done.stdout

    def ask(self, *words: str) -> Any:
        """What kubectl tells as JSON."""
        return json.loads(self.kubectl(*words, "-o", "json"))

    def apply(self, *manifests: Manifest) -> None:
        """Make *manifests*."""
        self.made += [one["metadata"]["name"] for one in manifests if one["kind"] == "Pod"]
        self.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))

    def uids(self) -> dict[str, str]:
        """Pod → UID, in the default namespace."""
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in self.ask("get", "pods")["items"]}

    def delete(self, *names: str) -> None:
        """Delete pods at once, and wait until they are gone."""
        if names:
            self.kubectl("delete", "pods", *names, "--grace-period=0", "--force", "--ignore-not-found", "--wait=true", seconds=120)
        self.made = [name for name in self.made if name not in names]

    def wait(self, done: Any, what: str, seconds: float = 60) -> None:
        """Ask until *done* says true."""
        deadline = Deadline(seconds)
        while not done():
            if deadline.passed():
                raise ClusterFailed(f"in {patience_s(seconds):.0f} s: {what}")

    def api_is(self, *, up: bool) -> bool:
        """Whether the API server answers, or does not."""
        try:
            self.kubectl("get", "--raw", "/readyz", "--request-timeout=2s")
        except (ClusterFailed, subprocess.TimeoutExpired):
            return not up
        return up


def pod(name: str, command: str, *, labels: dict[str, str] | None = None, container: str = "app", **spec: Any) -> Manifest:
    """A pod with one container that runs *command* in a shell; *spec* has more of its specification."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [shell(container, command)],
            **spec,
        },
    }


def shell(name: str, command: str, **more: Any) -> Manifest:
    """A container that runs *command* in a shell."""
    return {"name": name, "image": IMAGE, "imagePullPolicy": "Never", "command": ["sh", "-c", command], **more}
