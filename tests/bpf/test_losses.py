# SPDX-License-Identifier: Apache-2.0
"""Losses that need a hand to come about: each is counted under its reason, and what comes afterwards flows."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from sensor.adapters import libbpf
from sensor.core.kernel import running_kernel
from sensor.events.dimensions import Dimension
from sensor.probes.session import FDINFO
from tests.bpf.live import DEADLINE_S, clause, is_, opened

if TYPE_CHECKING:
    from pathlib import Path

PENDING_MAX = 4096
"""bpf/include/limits.h"""
FLOW_OPEN = (0).to_bytes(4, "little")
"""enum flow, bpf/include/scratch.h"""


def lost(side, before: dict[str, int]) -> dict[str, int]:
    """What was lost since."""
    return {reason: count - before.get(reason, 0) for reason, count in side.losses().items() if count != before.get(reason, 0)}


@pytest.fixture
def file(name, tmp_path) -> Path:
    """A file with a name that nobody else uses."""
    path = tmp_path / name
    path.write_text("")
    return path


def test_a_flow_that_is_busy_is_counted_and_frees_itself(session_side, driver, file):
    """While a flow's scratch is another's, on every CPU, its acts are counted as lost and other flows go on; afterwards all is as before."""
    side = session_side
    side.watch(opened(file.name))
    scratches, cpus = side.kernel.session.maps["scratches"], libbpf.possible_cpus()
    (value_bytes,) = (int(line.split()[1]) for line in (FDINFO / str(scratches)).read_text().splitlines() if line.startswith("value_size"))
    free = libbpf.map_lookup(scratches, FLOW_OPEN, value_bytes * cpus)
    busy = bytearray(free)
    for at in range(0, value_bytes * cpus, value_bytes):
        busy[at] = 1
    before = side.losses()
    libbpf.map_update(scratches, FLOW_OPEN, bytes(busy))
    try:
        driver("opens", 10, file)
        assert lost(side, before) == {"scratch_busy": 10}
    finally:
        libbpf.map_update(scratches, FLOW_OPEN, bytes(free))
    assert len(side.after(lambda: driver("opens", 10, file), kind="open")) == 10
    assert lost(side, before) == {"scratch_busy": 10}


@contextmanager
def full_listener():
    """The port of a listener whose queue is full: it answers no SYN any more (tcp_conn_request(), net/ipv4/tcp_input.c)."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(2):  # backlog + 1 are taken
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.getsockname())
            waiting.append(client)
        yield server.getsockname()[1]
        for client in waiting:
            client.close()


def test_more_connects_than_can_be_remembered_are_counted(session_side, driver):
    """Of connects that hang, those beyond the table's room are lost, to the last one counted; when they are gone there is room again."""
    side, beyond = session_side, 4
    if not side.kernel.features.set_state:
        pytest.skip("below 4.16 a connect is told at its end alone, and nothing is remembered")
    with full_listener() as port:
        side.watch(clause("connect", is_(Dimension.PORT, port)))
        before = side.losses()
        with subprocess.Popen([driver.path, "hang", str(port), str(PENDING_MAX + beyond)]) as hanging:

            def end() -> None:
                hanging.kill()
                hanging.wait()

            try:
                side.during(lambda: until_lost(side, before, beyond))
            finally:
                ends = side.during(end)
        dropped = lost(side, before)
        assert dropped.pop("pending_full") == beyond
        full = dropped.pop("ring_full_common", 0)  # thousands of ends at once are more than the ring holds; one may be the process's own
        assert dropped == {}
        assert PENDING_MAX - len(ends) in {full, full - 1}
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        side.watch(clause("connect", is_(Dimension.PORT, port)))
        assert side.one(lambda: driver("connect", "tcp", 0, "4", "127.0.0.1", port), "connect").dport == port
    assert lost(side, before)["pending_full"] == beyond


def until_lost(side, before: dict[str, int], count: int) -> None:
    """Return when so many were lost; the losses are the last to come."""
    end = time.monotonic() + DEADLINE_S * 3
    while side.losses().get("pending_full", 0) - before.get("pending_full", 0) < count:
        assert time.monotonic() < end, side.losses()


def test_the_kernel_tells_how_often_it_left_a_program_out(session_side):
    """
    Every entry's descriptor has the count that `Session.losses` adds up (since 5.12).

    A program is left out when another one, or the update of a map, is interrupted by its hook. With a kernel that is not preempted inside
    (preempt=none) nothing that a test can do brings that about.
    """
    if running_kernel().numbers < (5, 12):
        pytest.skip("nobody counts them below 5.12")
    for fd in session_side.kernel.session.programs.values():
        assert "recursion_misses:" in (FDINFO / str(fd)).read_text()
    assert session_side.kernel.session.losses()["recursion_miss"] == (0,)
