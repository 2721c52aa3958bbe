# SPDX-License-Identifier: Apache-2.0
"""
What the live tests share: running kernel sides, the C driver, cgroups.

``side`` runs a test once in each form: with all that the kernel offers, and
with what 4.14 has (perf buffers, classic tracepoints, one read helper, no
loops). Each form is brought up once and proves itself on this process.
"""

from __future__ import annotations

import os
import subprocess
from itertools import count
from pathlib import Path

import pytest

from sensor.core.config import kernel_from
from sensor.events.dimensions import Profile
from sensor.workloads import cgroups
from tests.bpf.live import Driver, Side, bring_up, forms, opened
from tests.unit.fake_api_server import FakeApiServer

DRIVERS = Path(__file__).resolve().parents[1] / "drivers"
_numbers = count(1)


@pytest.fixture(scope="session")
def driver(tmp_path_factory) -> Driver:
    """The driver, compiled once; static, so that it runs in any root."""
    program = tmp_path_factory.mktemp("drivers") / "act"
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, DRIVERS / "act.c", "-lpthread"], check=True)
    return Driver(program)


@pytest.fixture(scope="session", params=forms())
def session_side(request):
    """One kernel side for all tests of a form."""
    side = bring_up(kernel_from(os.environ, strict=True, features=request.param))
    assert side.kernel.canaries.missing() == ()
    own, _path = side.kernel.own_cgroup()
    side.kernel.session.set_profile(own, Profile.HOST)
    yield side
    side.close()


@pytest.fixture
def side(session_side) -> Side:
    """The kernel side, with nothing left over from the test before and nothing lost in this one."""
    session_side.drain()
    session_side.lost.clear()
    before = lost_of(session_side)
    yield session_side
    session_side.drain()
    assert lost_of(session_side) == before, "the test lost frames"


def lost_of(side: Side) -> dict[str, int]:
    """
    Frames lost by reason, but for programs that the kernel left out.

    A packet that comes while this process is in bpf(2) changes a socket's state without our program, most often that of a connection that an
    earlier test has closed. The test's own act is looked for by the test itself.
    """
    return {reason: count for reason, count in side.losses().items() if reason != "recursion_miss"}


@pytest.fixture
def server():
    """A fake API server, for what a real one cannot be made to do."""
    fake = FakeApiServer()
    yield fake
    fake.close()


@pytest.fixture
def name() -> str:
    """A name that no other process here uses, 14 characters."""
    return f"t{os.getpid():07d}x{next(_numbers):05d}"


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder, its path without symlinks."""
    return tmp_path.resolve()


@pytest.fixture
def file(side, name, root) -> Path:
    """A file that is watched by its name."""
    side.watch(opened(name))
    path = root / name
    path.write_text("content")
    return path


class Cgroup:
    """A cgroup in the hierarchy that names workloads."""

    def __init__(self, hierarchy: cgroups.Hierarchy, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.procs = path / "cgroup.procs"
        self.id = cgroups.kernfs_id(path)
        self.name = b"/" + os.fsencode(path.relative_to(hierarchy.mount_point))

    def remove(self) -> None:
        """Its processes are gone by now."""
        self.path.rmdir()


@pytest.fixture
def make_cgroup(session_side, name):
    """Make cgroups, the inner ones below a given one; they are removed at the end."""
    made: list[Cgroup] = []
    hierarchy = session_side.kernel.hierarchy

    def make(leaf: str, below: Cgroup | None = None) -> Cgroup:
        made.append(Cgroup(hierarchy, (below.path if below else hierarchy.mount_point) / (leaf if below else f"{name}-{leaf}")))
        return made[-1]

    yield make
    for cgroup in reversed(made):
        session_side.kernel.session.forget_profile(cgroup.id)
        cgroup.remove()
