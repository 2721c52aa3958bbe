# SPDX-License-Identifier: Apache-2.0
"""
What an event is made of: the one description from which all else is generated.

A kind is a list of fields with their C types and a list of tails. From it come
``bpf/include/gen_events.h`` (`sensor.events.cheader`), the decoder and the
event classes (`sensor.events.decode`). Nothing else may know an offset.

A frame is ``struct event_header``, the process fields every kind shares, the
kind's own fields, and then the tails: byte strings of varying length, one
after the other, so that a short path does not cost the room of a long one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Scalar(Enum):
    """A C scalar: its name in C, its ``struct`` code, its size in bytes."""

    U8 = ("u8", "B", 1)
    U16 = ("u16", "H", 2)
    U32 = ("u32", "I", 4)
    I32 = ("s32", "i", 4)
    U64 = ("u64", "Q", 8)
    I64 = ("s64", "q", 8)

    @property
    def c_name(self) -> str:
        """The type's name in C, as bpf/sysroot spells it."""
        return self.value[0]

    @property
    def code(self) -> str:
        """The type's letter in `struct` format strings."""
        return self.value[1]

    @property
    def size_bytes(self) -> int:
        """How many bytes a value takes."""
        return self.value[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One fixed-size member of a frame."""

    name: str
    """The member's name in C and the attribute's name in Python."""

    scalar: Scalar = Scalar.U8
    """Element type."""

    count: int = 1
    """How many elements; more than one U8 is decoded to ``bytes``."""

    text: bool = False
    """A NUL-terminated byte array, decoded up to the NUL (`bytes`)."""

    doc: str = ""
    """What the value means, with its unit."""

    @property
    def size_bytes(self) -> int:
        """How many bytes the member takes in the frame."""
        return self.scalar.size_bytes * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """One byte string of varying length behind the fixed part."""

    name: str
    """The attribute's name; its length is the fixed member ``<name>_bytes``."""

    max_bytes: int
    """Most bytes the kernel sends; a longer value is cut and flagged."""

    doc: str = ""
    """What the bytes are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSpec:
    """One event kind."""

    name: str
    """The kind's name: file names, C names and counters are made from it."""

    number: int
    """The value of ``header.kind``; permanent, recordings carry it."""

    doc: str
    """Which act it tells of."""

    fields: tuple[Field, ...]
    """The kind's own fixed members, behind the shared ones."""

    tails: tuple[Tail, ...]
    """The kind's own tails, behind the shared ones."""
