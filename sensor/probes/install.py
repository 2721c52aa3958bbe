# SPDX-License-Identifier: Apache-2.0
"""
Put a table generation into the kernel: build beside the live one, flip one word.

A program reads the live slot once, at its start. A slot is reused two flips
later at the earliest, and no flip follows another within `GRACE_S`, so no
program can still be reading what is being written. An entry that cannot be
written ends the attempt: the generation before stays live.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.adapters import libbpf
from sensor.core.errors import TableError
from sensor.events.dimensions import NAME_BYTES, PATTERN_BYTES
from sensor.probes import table_layout as layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sensor.core.clock import Clock
    from sensor.probes.tables import KindTables

GRACE_S = 0.05
"""A program runs for microseconds; one preempted on a 7.x kernel for some milliseconds."""

_NAME_KEY_BYTES = 4 + NAME_BYTES + 1
_PATH_ROOM = PATTERN_BYTES + 1
_U32 = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class _Shape:
    """An inner map, as bpf/prelude/maps.c declares it: the kernel refuses another shape."""

    name: str
    kind: int
    key_bytes: int
    room: int
    flags: int


class Installer:
    """The kernel's tables, through the descriptors the loader handed over."""

    def __init__(self, maps: Mapping[str, int], clock: Clock, pause: Callable[[float], object]) -> None:
        """*maps* are the descriptors by name; *pause* waits that many seconds."""
        self._maps = maps
        self._clock = clock
        self._pause = pause
        self._slot = 0
        self._flipped_ns = 0
        self.generation = 0
        """Number of the live generation; 0 until the first is installed: no clause is on."""

    def install(self, tables: Mapping[str, KindTables]) -> int:
        """
        Make *tables* (by event kind) the live generation; returns its number.

        Raises:
            TableError: the kernel refused an entry; the one before is still live.
        """
        too_soon_s = GRACE_S - (self._clock.monotonic_ns() - self._flipped_ns) / 1e9
        if self.generation and too_soon_s > 0:
            self._pause(too_soon_s)
        slot = (self._slot + 1) % layout.GENERATIONS
        number = self.generation + 1
        try:
            for place, kind in enumerate(layout.TABLE_KINDS):
                self._write(place * layout.GENERATIONS + slot, slot, tables[kind], number, is_connect=kind == "connect")
            libbpf.map_update(self._maps["live"], _U32.pack(0), _U32.pack(slot))
        except OSError as error:
            raise TableError(f"the kernel refused the tables of generation {number}: {error}") from error
        self._slot, self.generation, self._flipped_ns = slot, number, self._clock.monotonic_ns()
        return number

    def _write(self, index: int, slot: int, tables: KindTables, number: int, *, is_connect: bool) -> None:
        names = _Shape("names", libbpf.MAP_TYPE_HASH, _NAME_KEY_BYTES, layout.NAMES_MAX, 0)
        self._fresh(names, index, tables.names)
        paths = _Shape("paths", libbpf.MAP_TYPE_LPM_TRIE, 4 + _PATH_ROOM, layout.PATHS_MAX, libbpf.F_NO_PREALLOC)
        self._fresh(paths, index, {_U32.pack(8 * len(pattern)) + pattern.ljust(_PATH_ROOM, b"\0"): mask for pattern, mask in tables.paths.items()})
        if is_connect:
            addresses = _Shape("addresses", libbpf.MAP_TYPE_LPM_TRIE, 20, layout.PATHS_MAX, libbpf.F_NO_PREALLOC)
            self._fresh(addresses, slot, {_U32.pack(bits) + address: mask for (bits, address), mask in tables.addresses.items()})
        libbpf.map_update(self._maps["tables"], _U32.pack(index), tables.block(number))

    def _fresh(self, shape: _Shape, place: int, entries: Mapping[bytes, int]) -> None:
        """Make an inner map, fill it, and only then put it where programs of the next generation will look."""
        fd = libbpf.map_create(shape.kind, shape.name, key_bytes=shape.key_bytes, value_bytes=layout.MASK_BYTES, entries=shape.room, flags=shape.flags)
        try:
            for key, mask in entries.items():
                libbpf.map_update(fd, key, mask.to_bytes(layout.MASK_BYTES, "little"))
            libbpf.map_update(self._maps[shape.name], _U32.pack(place), _U32.pack(fd))
        finally:
            os.close(fd)
