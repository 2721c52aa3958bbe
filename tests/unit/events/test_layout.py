# SPDX-License-Identifier: Apache-2.0

import itertools

import pytest

from sensor.events import layout
from sensor.events.common import SHARED_TAILS
from sensor.events.registry import KINDS
from sensor.events.spec import Field, Scalar

SPECS = pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.name)


def test_members_keep_their_alignment():
    """A member lies at the first multiple of its element's size behind the one before."""
    fields = (Field(name="a"), Field(name="b", scalar=Scalar.U32), Field(name="c"), Field(name="d", scalar=Scalar.U64))
    placed = layout.place(fields, 0)
    assert [member.at for member in placed] == [0, 4, 8, 16]
    assert layout.end_of(placed) == 24


def test_nothing_ends_where_it_starts():
    """Without members a structure ends at the aligned start."""
    assert layout.end_of((), 13) == 16


@SPECS
def test_members_do_not_overlap(spec):
    """In every kind's frame each member begins behind the end of the one before."""
    placed = (*layout.COMMON, *layout.own(spec))
    assert all(before.end <= after.at for before, after in itertools.pairwise(placed))
    assert all(member.at % member.field.scalar.size_bytes == 0 for member in placed)


@SPECS
def test_tails_begin_behind_every_kinds_members(spec):
    """The tails' start is the same for all kinds and behind all their members."""
    assert layout.end_of(layout.own(spec), layout.COMMON_BYTES) <= layout.TAILS_AT


@SPECS
def test_the_longest_tails_have_room_together(spec):
    """A frame with every tail at its longest fits the room, and offsets fit their 16 bits."""
    longest = sum(tail.max_bytes for tail in (*SHARED_TAILS, *spec.tails))
    assert longest <= layout.TAIL_ROOM_BYTES
    assert layout.TAILS_AT + longest < 1 << 16


@SPECS
def test_every_tail_has_its_place_and_length(spec):
    """Each tail has the members ``_at`` and ``_bytes``, both 16 bits wide."""
    members = {member.field.name: member.field.scalar for member in (*layout.COMMON, *layout.own(spec))}
    for tail in (*SHARED_TAILS, *spec.tails):
        assert members[f"{tail.name}_at"] is members[f"{tail.name}_bytes"] is Scalar.U16
