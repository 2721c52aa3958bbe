# SPDX-License-Identifier: Apache-2.0
"""What the tests of this folder share: root, one real node, one running sensor that asks its API server."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import GIVEN, SCRIPT, Cluster
from tests.rules.sensor import OWN_RULES, RunningSensor

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def session_cluster():
    """The session's node; the tests' own is stopped at the end, whatever happened."""
    if os.geteuid() != 0:
        pytest.skip("a node and probes need root")
    if not GIVEN and (why := subprocess.run([SCRIPT, "able"], capture_output=True, text=True, check=False)).returncode:
        pytest.skip(why.stdout.strip())
    cluster = Cluster()
    if GIVEN:
        yield cluster
        return
    try:
        cluster.script("start")
        yield cluster
    finally:
        cluster.script("stop")


@pytest.fixture
def cluster(session_cluster):
    """The node; the pods of the test before are gone."""
    yield session_cluster
    session_cluster.delete(*session_cluster.made)


@pytest.fixture(scope="session")
def status_socket(tmp_path_factory) -> Path:
    """Where the session's sensor answers."""
    return tmp_path_factory.mktemp("scout") / "scout.sock"


@pytest.fixture(scope="session")
def sensor(session_cluster, status_socket):
    """The session's sensor; it ends well."""
    words = (*session_cluster.sensor_arguments, "--status-socket", str(status_socket))
    with RunningSensor(*words, rules=(OWN_RULES,), before=session_cluster.inside) as running:
        yield running
