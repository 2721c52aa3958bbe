# SPDX-License-Identifier: Apache-2.0
"""
The compiled unit, kept for the next start.

Compiling is most of a start, and a rolling update would do it on every node
again for nothing. After a complete start the loader keeps what BCC made: each
program's instructions with the places where a map's descriptor goes, and each
map's shape. The next start with the same sources, flags (offsets, features),
kernel, libraries and CPUs loads that, without BCC; the verifier sees it as it
saw the first. Whatever is odd about the file, it is as if it were not there.

Promises: only a file of ours is read (owned by this user, writable by nobody
else, in such a folder); it is written whole or not at all; old ones are removed.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.adapters import libbpf, programs
from sensor.adapters.wire import WireError, pack, unpack
from sensor.core.errors import ProbeError
from sensor.probes.offsets.tracepoints import find_tracefs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
MAX_BYTES = 4 << 20
"""An image is 150 KB; more is none of ours."""
KEPT = 4
"""Images kept: a rollback or two, another kernel."""

_INSTRUCTION = struct.Struct("<BBhi")
_LOAD_64, _PSEUDO_MAP_FD = 0x18, 1
_ARRAY_OF_MAPS = 12
_SHAPE_SUFFIX = "_shape"
"""The map that an array of maps takes its inner shape from, by name (bpf/prelude/maps.c)."""


@dataclass(frozen=True, slots=True)
class MapShape:
    """What a map is made of."""

    kind: int
    key_bytes: int
    value_bytes: int
    entries: int
    flags: int


@dataclass(slots=True)
class Image:
    """A compiled unit."""

    maps: dict[str, MapShape] = field(default_factory=dict)
    programs: dict[str, tuple[bool, bytes, list[tuple[int, str]]]] = field(default_factory=dict)
    """Function → (raw tracepoint, instructions, [(index of an instruction, map whose descriptor goes there)])."""


def digest(parts: Iterable[str]) -> str:
    """The key of an image: a hash over everything that what is compiled depends on."""
    whole = hashlib.sha256(f"{FORMAT}\0".encode())
    for part in parts:
        whole.update(part.encode() + b"\0")
    return whole.hexdigest()[:32]


def map_shape(fd: int) -> MapShape:
    """The shape of a map, from ``/proc/self/fdinfo`` (proc(5))."""
    info = dict(line.split(":\t", 1) for line in Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii").splitlines() if ":\t" in line)
    return MapShape(*(int(info[name], 0) for name in ("map_type", "key_size", "value_size", "max_entries", "map_flags")))


def add_program(image: Image, name: str, code: bytes, fds: Mapping[int, str], *, raw: bool) -> None:
    """Put a program into *image*; *fds* are the maps by descriptor in this process."""
    places = []
    for index, (opcode, registers, _offset, value) in enumerate(_INSTRUCTION.iter_unpack(code)):
        if opcode == _LOAD_64 and registers >> 4 == _PSEUDO_MAP_FD:
            places.append((index, fds[value]))
    image.programs[name] = (raw, code, places)


def write(folder: Path, key: str, image: Image) -> bool:
    """Keep *image* and tell whether it could be kept; a folder that cannot be written is no error."""
    maps = {name: [shape.kind, shape.key_bytes, shape.value_bytes, shape.entries, shape.flags] for name, shape in image.maps.items()}
    content = pack(
        {"format": FORMAT, "key": key, "maps": maps, "programs": {name: [raw, code, places] for name, (raw, code, places) in image.programs.items()}}
    )
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(folder.lstat()):
            return False
        partial = folder / f".{key}.{os.getpid()}"
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        partial.replace(folder / f"{key}.image")
        images = sorted(folder.glob("*.image"), key=lambda path: path.stat().st_mtime_ns)
        for old in images[:-KEPT]:
            old.unlink()
        return True
    return False


def read(folder: Path, key: str) -> Image | None:
    """The image kept under *key*, or None."""
    try:
        if not _is_ours(folder.lstat()):
            return None
        fd = os.open(folder / f"{key}.image", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not (stat.S_ISREG(status.st_mode) and _is_ours(status) and status.st_size <= MAX_BYTES):
                return None
            content: Any = unpack(file.read(MAX_BYTES))
        if content["format"] != FORMAT or content["key"] != key:
            return None
        image = Image(maps={str(name): MapShape(*(int(value) for value in shape)) for name, shape in content["maps"].items()})
        for name, (raw, code, places) in content["programs"].items():
            image.programs[str(name)] = (bool(raw), bytes(code), [(int(index), str(target)) for index, target in places])
    except (OSError, WireError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return image


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


class StoredUnit:
    """An image, in the kernel: what `sensor.adapters.kernel.Unit` is for a unit that BCC compiled."""

    def __init__(self, image: Image) -> None:
        """Make the maps. Raises ProbeError when the kernel refuses one."""
        self._image = image
        self._maps: dict[str, int] = {}
        try:
            for name in sorted(image.maps, key=lambda name: image.maps[name].kind == _ARRAY_OF_MAPS):
                shape = image.maps[name]
                inner = self._maps[name + _SHAPE_SUFFIX] if shape.kind == _ARRAY_OF_MAPS else 0
                self._maps[name] = libbpf.map_create(
                    shape.kind, name, key_bytes=shape.key_bytes, value_bytes=shape.value_bytes, entries=shape.entries, flags=shape.flags, inner=inner
                )
        except (OSError, KeyError) as error:
            raise ProbeError(f"the kernel refused a map of the stored image: {error}") from error
        self._tracefs = find_tracefs() or Path("/sys/kernel/tracing")

    def map_fd(self, name: str) -> int:
        """Descriptor of a map, by its name in C."""
        return self._maps[name]

    def load(self, function: str, *, raw: bool) -> int:
        """Load a program and return its descriptor. Raises ProbeError."""
        if function not in self._image.programs or self._image.programs[function][0] != raw:
            raise ProbeError(f"the stored image has no program {function}")
        return programs.load(function[:15], self.instructions(function), raw=raw)

    def instructions(self, function: str) -> bytes:
        """The program's instructions, with this process's descriptors in them."""
        _raw, stored, places = self._image.programs[function]
        code = bytearray(stored)
        for index, name in places:
            struct.pack_into("<i", code, index * _INSTRUCTION.size + 4, self._maps[name])
        return bytes(code)

    def attach_tracepoint(self, program_fd: int, category: str, event: str) -> int:
        """Attach to a tracepoint; the descriptor returned keeps it attached."""
        return programs.attach_tracepoint(program_fd, self._tracefs, category, event)

    @staticmethod
    def attach_raw(program_fd: int, event: str) -> int:
        """Attach to a raw tracepoint; the descriptor returned keeps it attached."""
        return programs.attach_raw(program_fd, event)

    def set_program(self, array: str, index: int, program_fd: int) -> None:
        """Put a program into an array of programs."""
        try:
            libbpf.map_update(self._maps[array], struct.pack("<I", index), struct.pack("<I", program_fd))
        except OSError as error:
            raise ProbeError(f"the kernel refused program {index} of {array}: {error}") from error
