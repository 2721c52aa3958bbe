# SPDX-License-Identifier: Apache-2.0
"""
The recording's format: what stands in a file, block by block. docs/recordings.md is for people.

    file   = magic (8 bytes) · version (u32) · block …
    block  = length of payload (u32) · CRC-32 of payload (u32) · payload
    payload = one msgpack array, its first element the block's type

Integers outside of msgpack are little-endian. Every payload has an exact shape:
another type, a missing or an additional member is a `RecordingError`. A file
comes from anywhere, so nothing is believed before it is checked, and the CRC is
against accidents only. Reading files is in `replay`, writing in `record`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, fields
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from sensor.adapters import wire
from sensor.core.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAGIC = b"SCOUTREC"
VERSION = 1
OPENING = struct.Struct("<8sI")
BLOCK = struct.Struct("<II")

MAX_PAYLOAD_BYTES = 512 * 1024
"""Longest payload; the largest real ones are documents. It bounds what one block can cost a reader."""

MAX_FRAME_BYTES = 16 * 1024
"""Longest frame: twice what the kernel's scratch space has room for (`sensor.events.layout.TAIL_ROOM_BYTES`)."""

MAX_DOCUMENT_BYTES = 256 * 1024
"""Longest policy document; etcd takes 1.5 MB, people write a few KB."""

MAX_DOCUMENTS = 256
MAX_CGROUPS = 100_000
"""Cgroups in one recording: as many as a scan looks at."""

CGROUPS_PER_BLOCK = 256
MAX_CGROUP_PATH_BYTES = 4096
"""PATH_MAX: a longer one cannot be opened by anybody."""

MAX_TEXT_CHARS = 4096
MAX_SETTINGS = 64
_U64 = 1 << 64


class BlockType(IntEnum):
    """First element of a payload; permanent."""

    HEADER = 1
    CGROUPS = 2
    DOCUMENT = 3
    FRAME = 4
    TRAILER = 5


class Ending(Enum):
    """How a recording ends."""

    FINISHED = "finished"
    """The recorder was stopped and wrote all it had."""
    LIMIT = "limit"
    """``--max-bytes`` was reached; the trailer says how many frames were left out."""
    CUT = "cut"
    """There is no trailer: the recorder was killed, the disk was full, or the file is a part of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where the frames come from, and what the pipeline must know to see them as it did there."""

    scout_version: str
    """Version of the recording Scout."""
    spec_hash: str
    """`sensor.events.cheader.spec_hash`: another one has other frames, and is refused."""
    rules_hash: str
    """Hash of the rule set in force; empty when none was."""
    kernel_release: str
    kernel_build: str
    machine: str
    """uname(2)'s release, version and machine."""
    boot_id: str
    """/proc/sys/kernel/random/boot_id: monotonic times are of this boot."""
    node_name: str
    started_ns: int
    """When recording began, CLOCK_MONOTONIC."""
    wall_offset_ns: int
    """Wall minus monotonic time."""
    boottime_offset_ns: int
    """Boot minus monotonic time: suspends."""
    cgroup_mode: str
    """``v2``, ``hybrid`` or ``v1``."""
    cgroup_controller: str
    """The v1 controller whose hierarchy names workloads; empty on v2."""
    node_root: str
    """See `sensor.workloads.containers.identify`."""
    agent_tgid: int
    agent_start_ns: int
    """The recording agent itself, whose acts are excluded."""
    settings: dict[str, str]
    """Settings that decide what becomes of an event, by name, as text: host in scope, redaction patterns."""


@dataclass(frozen=True, slots=True)
class Cgroups:
    """Cgroups with their whole paths, known before the frames that follow."""

    entries: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A policy document that was in force."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, as the kernel wrote it."""

    sequence: int
    """Place in the order of arrival, both lanes together, from 0."""
    lane: int
    """`sensor.events.common.Lane` it came through."""
    arrival_ns: int
    """When the agent had it, CLOCK_MONOTONIC: what the pipeline's clock showed."""
    frame: bytes
    """The record with what the transport padded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """The end: what should have been read by now."""

    frames: int
    frame_bytes: int
    """Lengths of all frames, summed."""
    left_out: int
    """Frames that arrived and are not in the file."""
    ended_ns: int
    """CLOCK_MONOTONIC."""
    ending: Ending
    losses: dict[str, int]
    """The agent's losses while recording, ``where.reason`` → count: what the file cannot show."""


Block = Header | Cgroups | Document | Frame | Trailer


def encode(block: Block) -> bytes:
    """
    Return *block* with its length and checksum, ready to be written.

    Raises:
        WireError: a text that is not UTF-8, or an int beyond 64 bits.
        RecordingError: the block is longer than a reader takes.
    """
    payload = wire.pack(_shape(block))
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RecordingError(f"a block of {len(payload)} bytes is longer than {MAX_PAYLOAD_BYTES}")
    return BLOCK.pack(len(payload), zlib.crc32(payload)) + payload


def decode(payload: bytes, at: int) -> Block:
    """
    Read one payload.

    Args:
        payload: the bytes behind a block's length and checksum.
        at: offset of the block in its file, for messages.

    Raises:
        RecordingError: it has not exactly the shape of one of the blocks.
    """
    try:
        value = wire.unpack(payload)
    except wire.WireError as error:
        raise RecordingError(f"at byte {at}: {error}") from error
    if not isinstance(value, list) or not value:
        raise RecordingError(f"at byte {at}: a block must be an array")
    reader = _READERS.get(value[0]) if type(value[0]) is int else None
    if reader is None:
        raise RecordingError(f"at byte {at}: no block has the type {str(value[0])[:20]!r}", hint="the recording is of a newer Scout, or damaged")
    try:
        return reader(value[1:])
    except _ShapeError as error:
        raise RecordingError(f"at byte {at}: {error}") from error


def _shape(block: Block) -> list[Any]:
    if isinstance(block, Frame):
        return [BlockType.FRAME, block.sequence, block.lane, block.arrival_ns, block.frame]
    if isinstance(block, Cgroups):
        return [BlockType.CGROUPS, [list(entry) for entry in block.entries]]
    if isinstance(block, Document):
        return [BlockType.DOCUMENT, block.name, block.content]
    values = {field.name: getattr(block, field.name) for field in fields(block)}
    if isinstance(block, Trailer):
        return [BlockType.TRAILER, values | {"ending": block.ending.value}]
    return [BlockType.HEADER, values]


class _ShapeError(Exception):
    """A payload has another shape than its type asks; `decode` adds the place."""


def _int(value: Any, name: str, *, low: int = 0, high: int = _U64) -> int:  # noqa: ANN401  # anything can stand in a file
    if type(value) is not int or not low <= value < high:
        raise _ShapeError(f"{name} must be an integer from {low} below {high}")
    return value


def _signed(value: Any, name: str) -> int:  # noqa: ANN401  # anything can stand in a file
    return _int(value, name, low=-(_U64 // 2), high=_U64 // 2)


def _text(value: Any, name: str) -> str:  # noqa: ANN401  # anything can stand in a file
    if type(value) is not str or len(value) > MAX_TEXT_CHARS:
        raise _ShapeError(f"{name} must be text of at most {MAX_TEXT_CHARS} characters")
    return value


def _bytes(value: Any, name: str, most: int) -> bytes:  # noqa: ANN401  # anything can stand in a file
    if type(value) is not bytes or len(value) > most:
        raise _ShapeError(f"{name} must be at most {most} bytes")
    return value


def _members(values: list[Any], *names: str) -> list[Any]:
    if len(values) != len(names):
        raise _ShapeError(f"the block must have {', '.join(names)} and no more")
    return values


def _mapping(value: Any, name: str, most: int) -> Mapping[str, Any]:  # noqa: ANN401  # anything can stand in a file
    if type(value) is not dict or len(value) > most or not all(type(key) is str and len(key) <= MAX_TEXT_CHARS for key in value):
        raise _ShapeError(f"{name} must be a map of at most {most} names")
    return value


def _exactly(values: Mapping[str, Any], block: type[Header | Trailer]) -> None:
    names = {field.name for field in fields(block)}
    if set(values) != names:
        wrong = ", ".join(sorted(repr(name[:40]) for name in set(values) ^ names)[:5])
        raise _ShapeError(f"the {block.__name__.lower()} lacks or must not have: {wrong}")


def _header(values: list[Any]) -> Header:
    (held,) = _members(values, "header")
    held = _mapping(held, "the header", MAX_SETTINGS)
    _exactly(held, Header)
    settings = _mapping(held["settings"], "settings", MAX_SETTINGS)
    numbers = {name: _int(held[name], name) for name in ("started_ns", "agent_tgid", "agent_start_ns")}
    numbers |= {name: _signed(held[name], name) for name in ("wall_offset_ns", "boottime_offset_ns")}
    texts = {name: _text(held[name], name) for name in held if name not in numbers and name != "settings"}
    arguments: dict[str, Any] = {**numbers, **texts, "settings": {name: _text(value, f"setting {name[:40]!r}") for name, value in settings.items()}}
    return Header(**arguments)


def _cgroups(values: list[Any]) -> Cgroups:
    (held,) = _members(values, "cgroups")
    if type(held) is not list or len(held) > CGROUPS_PER_BLOCK:
        raise _ShapeError(f"cgroups must be an array of at most {CGROUPS_PER_BLOCK}")
    entries = []
    for entry in held:
        if type(entry) is not list or len(entry) != 2:  # noqa: PLR2004  # a pair
            raise _ShapeError("a cgroup must be a pair of id and path")
        entries.append((_int(entry[0], "a cgroup's id"), _bytes(entry[1], "a cgroup's path", MAX_CGROUP_PATH_BYTES)))
    return Cgroups(tuple(entries))


def _document(values: list[Any]) -> Document:
    name, content = _members(values, "name", "content")
    return Document(_text(name, "a document's name"), _bytes(content, "a document", MAX_DOCUMENT_BYTES))


def _frame(values: list[Any]) -> Frame:
    sequence, lane, arrival_ns, frame = _members(values, "sequence", "lane", "arrival", "frame")
    return Frame(_int(sequence, "sequence"), _int(lane, "lane", high=2), _int(arrival_ns, "arrival"), _bytes(frame, "a frame", MAX_FRAME_BYTES))


def _trailer(values: list[Any]) -> Trailer:
    (held,) = _members(values, "trailer")
    held = _mapping(held, "the trailer", MAX_SETTINGS)
    _exactly(held, Trailer)
    numbers = {name: _int(held[name], name) for name in ("frames", "frame_bytes", "left_out", "ended_ns")}
    losses = _mapping(held["losses"], "losses", MAX_TEXT_CHARS)
    if held["ending"] not in (Ending.FINISHED.value, Ending.LIMIT.value):
        raise _ShapeError("a trailer's ending must be finished or limit")
    return Trailer(**numbers, ending=Ending(held["ending"]), losses={name: _int(value, "a loss") for name, value in losses.items()})


_READERS: dict[int, Callable[[list[Any]], Block]] = {
    BlockType.HEADER: _header,
    BlockType.CGROUPS: _cgroups,
    BlockType.DOCUMENT: _document,
    BlockType.FRAME: _frame,
    BlockType.TRAILER: _trailer,
}
