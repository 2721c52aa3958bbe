# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import socket

import pytest

from sensor import ask
from sensor.core.clock import RealClock
from sensor.core.config import RunConfig
from sensor.core.counters import Counters
from sensor.core.errors import EnvironmentRefusal, UsageError
from sensor.health.state import Health
from sensor.status import Status


def started(config, health=None):
    """The answering side of a sensor that was told *config*."""
    return Status(
        config,
        health=health or Health(),
        counters=Counters(),
        clock=RealClock(),
        rules_hash="h",
        configuration=lambda: {"told": config},
        log=lambda: "a line\n",
        workloads=lambda: [{"id": "c"}],
    )


def free_port():
    """A port that nobody had a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_the_socket_tells_all_and_the_port_what_is_for_everybody(tmp_path):
    """Metrics are made at the first question; configuration, log and workloads are the socket's."""
    path, port, health = tmp_path / "scout" / "s", free_port(), Health()
    status = started(RunConfig(status_port=port, status_socket=path), health)
    assert health.not_alive() == {}
    local, everybody = ask.at_socket(path), ask.at_port(port)
    assert "scout_" in local("/metrics")
    assert local("/metrics") == everybody("/metrics")
    assert json.loads(local("/configuration"))["told"]
    assert local("/log") == "a line\n"
    assert json.loads(local("/workloads")) == [{"id": "c"}]
    for path_for_root in ("/workloads", "/log", "/configuration"):
        with pytest.raises(EnvironmentRefusal, match="answers 404"):
            everybody(path_for_root)
    status.close()
    assert not path.parent.exists()


def test_a_socket_that_cannot_be_had_costs_a_line(tmp_path, capfd):
    """A second sensor goes on without."""
    first = started(RunConfig(status_socket=tmp_path / "s"))
    second = started(RunConfig(status_socket=tmp_path / "s"))
    second.close()
    assert ask.at_socket(tmp_path / "s")("/log") == "a line\n"
    first.close()


def test_a_port_that_cannot_be_had_ends_the_start():
    """Somebody asked for it."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="cannot listen"):
        started(RunConfig(status_port=taken.getsockname()[1], status_socket=None))


def test_nowhere_is_possible():
    """No thread, nothing to watch."""
    health = Health()
    started(RunConfig(status_socket=None), health).close()
    assert health.not_alive() == {}
