# SPDX-License-Identifier: Apache-2.0
"""
Where each member of a frame lies: computed once, for the C header and the decoder alike.

Members keep their natural alignment, so that the compiler adds no padding of
its own; the gaps are explicit. Every tail has two members, ``<name>_at`` and
``<name>_bytes``: offset from the frame's start, and length. The tails begin at
`TAILS_AT` whatever the kind, so a frame can turn into a flood's halfway.
"""

from __future__ import annotations

from dataclasses import dataclass

from sensor.events.common import HEADER, PROCESS, SHARED_TAILS
from sensor.events.registry import KINDS
from sensor.events.spec import EventSpec, Field, Scalar, Tail

ALIGN_BYTES = 8
"""Structures end on this boundary, as their widest member asks."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A member and its offset from the start of the frame, in bytes."""

    field: Field
    at: int

    @property
    def end(self) -> int:
        """The first byte behind the member."""
        return self.at + self.field.size_bytes


def _tail_fields(tails: tuple[Tail, ...]) -> tuple[Field, ...]:
    return tuple(
        field
        for tail in tails
        for field in (
            Field(name=f"{tail.name}_at", scalar=Scalar.U16, doc=f"where {tail.name} begins in the frame"),
            Field(name=f"{tail.name}_bytes", scalar=Scalar.U16, doc=f"length of {tail.name}: {tail.doc}"),
        )
    )


def place(fields: tuple[Field, ...], start: int) -> tuple[Placed, ...]:
    """Place *fields* one after the other from *start*, each at a multiple of its element's size."""
    placed: list[Placed] = []
    at = start
    for field in fields:
        size = field.scalar.size_bytes
        at = -(-at // size) * size
        placed.append(Placed(field, at))
        at += field.size_bytes
    return tuple(placed)


def end_of(placed: tuple[Placed, ...], start: int = 0) -> int:
    """The first aligned byte behind *placed*."""
    return -(-(placed[-1].end if placed else start) // ALIGN_BYTES) * ALIGN_BYTES


COMMON = place((*HEADER, *PROCESS, *_tail_fields(SHARED_TAILS)), 0)
"""The members every frame begins with."""

COMMON_BYTES = end_of(COMMON)
"""sizeof(struct frame_common)."""


def own(spec: EventSpec) -> tuple[Placed, ...]:
    """The kind's own members, behind the common ones."""
    return place((*spec.fields, *_tail_fields(spec.tails)), COMMON_BYTES)


TAILS_AT = max(end_of(own(spec), COMMON_BYTES) for spec in KINDS)
"""Where the first tail of any frame may begin."""

TAIL_ROOM_BYTES = 8192
"""Room for all tails together; the longest of every tail of any kind fits (tested)."""
