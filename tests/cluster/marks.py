# SPDX-License-Identifier: Apache-2.0
"""Acts that say which pod does them, and what a finding says of whose they were."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.rules.sensor import ROOT, asked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rules.sensor import Finding, RunningSensor

FIND_S = 60.0
"""A pod's start takes a second or two on a quiet machine."""


def told_of(sensor: RunningSensor, since: int, name: str, act: str = "first") -> Finding:
    """The finding of the act of that name by the pod called *name*."""
    path = f"/scout-test/mark/{act}-{name}"
    return sensor.wait_for(lambda finding: asked(finding) == path, path, since=since, seconds=FIND_S)


def acts(name: str, act: str = "first", then: str = "sleep 3600") -> str:
    """Open a file (which is not there) called after the pod, as the shell itself: the first process's own act."""
    return f"true < /scout-test/mark/{act}-{name}; exec {then}"


def identity(finding: Finding) -> dict[str, Any]:
    """What a finding says of whose act it was."""
    container, its = finding["container"] or {}, finding["pod"] or {}
    return {
        "namespace": finding["namespace"],
        "pod": its.get("name"),
        "uid": its.get("uid"),
        "labels": its.get("labels"),
        "container": container.get("name"),
        "first": finding["process"]["container_pid"],
    }


def rows(status_socket: Path) -> list[dict[str, Any]]:
    """What `scout ps --json` tells."""
    command = [sys.executable, "-m", "sensor.cli", "ps", "--json", "--status-socket", str(status_socket)]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
