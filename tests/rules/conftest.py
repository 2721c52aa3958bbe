# SPDX-License-Identifier: Apache-2.0
"""What the tests of this folder share: root, real containers, one running sensor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.containers import BUSYBOX, Containers
from tests.rules.sensor import RunningSensor, container_of, fetch, free_port

NEEDED = ("runc", "unshare", "nsenter", "ip", "gcc")


@pytest.fixture(scope="session", autouse=True)
def _able():
    """Refuse early, in words; with a named group a skipped suite is a failure (tests/conftest.py)."""
    if os.geteuid() != 0:
        pytest.skip("containers and probes need root")
    missing = [name for name in NEEDED if not shutil.which(name)] + ([] if BUSYBOX.exists() else ["busybox"])
    if missing:
        pytest.skip(f"missing: {' '.join(missing)}; ci/setup test installs them")


@pytest.fixture(scope="session")
def containers(tmp_path_factory, _able):
    """Return the session's containers; all of them are gone at its end."""
    made = Containers(tmp_path_factory.mktemp("rules"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def sensor(_able):
    """Return the session's sensor, ready by its own account; at the end it stops well and has printed nothing but findings."""
    port = free_port()
    with RunningSensor("--status-port", str(port), "--no-watch") as running:
        running.secrets = set()  # what must be nowhere in its output, counters at the end included
        status, body = fetch(port, "/readyz")
        assert status == 200, body
        yield running
    assert running.broken == []
    assert [secret for secret in running.secrets if secret.encode() in running.stdout + running.stderr] == []


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory, _able):
    """Return the bytes of a program that does what its words say (tests/drivers/act.c), for containers that have no such program."""
    program = tmp_path_factory.mktemp("drivers") / "act"
    source = Path(__file__).parents[1] / "drivers" / "act.c"
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, source, "-lpthread"], check=True)
    return program.read_bytes()


@pytest.fixture
def performed(sensor, containers):
    """Return a function that performs one act in a container and returns that container's result and findings, all of them."""

    def perform(command, **how):
        since = sensor.mark()
        result = containers.run(command, **how)
        sensor.fence()
        return result, [finding for finding in sensor.since(since) if container_of(finding) == result.container_id]

    return perform


@pytest.fixture(scope="session")
def metadata_network(_able):
    """Return the path of a network namespace in which the metadata address answers."""
    server = Path(__file__).with_name("metadata_network.py")
    with subprocess.Popen([sys.executable, str(server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield f"/proc/{process.pid}/ns/net"
        process.stdin.close()
