# SPDX-License-Identifier: Apache-2.0
"""Generations, with maps that are dictionaries; under load on a real kernel in tests/bpf/test_generations.py."""

from __future__ import annotations

import os
import struct

import pytest

from sensor.core.clock import FakeClock
from sensor.core.errors import TableError
from sensor.events.dimensions import Clause, Constraint, Dimension, PathPattern
from sensor.probes import install
from sensor.probes import table_layout as layout
from sensor.probes.install import GRACE_S, Installer
from sensor.probes.tables import build

MAPS = {"live": 100, "tables": 101, "names": 102, "paths": 103, "addresses": 104}
S_NS = 1_000_000_000


class Kernel:
    """Maps by descriptor; inner ones are made as real descriptors, so that a leak shows."""

    def __init__(self):
        self.maps = {fd: {} for fd in MAPS.values()}
        self.updates = []
        self.fail_at = -1

    def create(self, _kind, name, **_shape):
        fd = os.open("/dev/null", os.O_RDONLY)
        self.maps[fd] = {"name": name}
        return fd

    def update(self, fd, key, value):
        if len(self.updates) == self.fail_at:
            raise OSError(7, "no room")
        self.updates.append(fd)
        if fd in (MAPS["names"], MAPS["paths"], MAPS["addresses"]):
            self.maps[fd][key] = dict(self.maps[struct.unpack("<I", value)[0]])
        else:
            self.maps[fd][key] = value

    def number(self, name, index=0):
        value = self.maps[MAPS[name]].get(struct.pack("<I", index), bytes(4))
        return struct.unpack("<I", value[:4])[0]


@pytest.fixture
def kernel(monkeypatch):
    """In libbpf's place."""
    made = Kernel()
    monkeypatch.setattr(install.libbpf, "map_create", made.create)
    monkeypatch.setattr(install.libbpf, "map_update", made.update)
    return made


@pytest.fixture
def tables():
    """A generation with one entry of each sort."""
    leaf = Clause(kind="open", constraints=(Constraint(Dimension.LEAF, (b"shadow",)),), rules=("r",))
    path = Clause(kind="open", constraints=(Constraint(Dimension.PATH, (PathPattern(b"/etc", exact=False),)),), rules=("r",))
    return {kind: build([leaf, path]) for kind in layout.TABLE_KINDS}


def test_slots_go_round_and_numbers_go_up(kernel, tables):
    """Three slots: the live one and the one before are never written."""
    clock = FakeClock(S_NS)
    installer = Installer(MAPS, clock, lambda _s: None)
    slots = []
    for number in range(1, 6):
        live = kernel.number("live")
        before = dict(kernel.maps[MAPS["tables"]])
        assert installer.install(tables) == number == installer.generation
        slots.append(kernel.number("live"))
        index = layout.TABLE_KINDS.index("open") * layout.GENERATIONS
        assert kernel.number("tables", index + slots[-1]) == number
        kept = struct.pack("<I", index + live)
        assert kernel.maps[MAPS["tables"]].get(kept) == before.get(kept)
    assert slots == [1, 2, 0, 1, 2]


def test_the_flip_is_last(kernel, tables):
    """Everything is written before the one word that makes it live, and only addresses of connects have a trie."""
    Installer(MAPS, FakeClock(S_NS), lambda _s: None).install(tables)
    assert kernel.updates[-1] == MAPS["live"]
    assert kernel.updates.count(MAPS["live"]) == 1
    assert [kernel.updates.count(MAPS[name]) for name in ("tables", "names", "paths", "addresses")] == [3, 3, 3, 1]


def test_entries_have_the_maps_shapes(kernel, tables):
    """A name's key fills the C structure, a pattern has its length in bits in front."""
    Installer(MAPS, FakeClock(S_NS), lambda _s: None).install(tables)
    index = struct.pack("<I", layout.TABLE_KINDS.index("open") * layout.GENERATIONS + 1)
    (name,) = [key for key in kernel.maps[MAPS["names"]][index] if key != "name"]
    assert name == struct.pack("<I", 0) + b"shadow".ljust(32, b"\0")
    (path,) = [key for key in kernel.maps[MAPS["paths"]][index] if key != "name"]
    assert path == struct.pack("<I", 32) + b"/etc".ljust(128, b"\0")


@pytest.mark.parametrize("at", range(12))
def test_a_refused_entry_leaves_the_old_generation(kernel, tables, at):
    """Whichever write fails, the live slot and its tables stay, no descriptor is left open, and the next attempt works."""
    installer = Installer(MAPS, FakeClock(S_NS), lambda _s: None)
    installer.install(tables)
    before, opened = kernel.number("live"), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    kernel.fail_at = len(kernel.updates) + at
    with pytest.raises(TableError, match=r"generation 2: .*no room"):
        installer.install(tables)
    assert (kernel.number("live"), installer.generation) == (before, 1)
    assert len(os.listdir("/proc/self/fd")) == opened  # noqa: PTH208
    kernel.fail_at = -1
    assert installer.install(tables) == 2


def test_a_flip_waits_for_the_one_before(kernel, tables):
    """A second change within the grace period waits for the rest of it; later ones and the first do not."""
    clock, pauses = FakeClock(S_NS), []
    installer = Installer(MAPS, clock, pauses.append)
    installer.install(tables)
    clock.advance(10_000_000)
    installer.install(tables)
    clock.advance(S_NS)
    installer.install(tables)
    assert pauses == [pytest.approx(GRACE_S - 0.01)]
    assert kernel.number("live") == 0
