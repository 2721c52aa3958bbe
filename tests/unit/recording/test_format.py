# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from sensor.adapters import wire
from sensor.core.errors import RecordingError
from sensor.recording import format as layout
from sensor.recording.format import BlockType, Cgroups, Document, Ending, Frame, Header, Trailer

HEADER = Header(
    scout_version="0.1",
    spec_hash="abc",
    rules_hash="",
    kernel_release="6.1",
    kernel_build="#1 SMP",
    machine="x86_64",
    boot_id="b",
    node_name="n",
    started_ns=5,
    wall_offset_ns=-7,
    boottime_offset_ns=0,
    cgroup_mode="v2",
    cgroup_controller="",
    node_root="",
    agent_tgid=1,
    agent_start_ns=2,
    settings={"host": "true"},
)
TRAILER = Trailer(frames=1, frame_bytes=2, left_out=3, ended_ns=4, ending=Ending.LIMIT, losses={"kernel.ring_full_common": 9})
BLOCKS = [HEADER, Cgroups(((1, b"/"), (2**64 - 1, b"/\xff"))), Document("p.yaml", b"a: b"), Frame(0, 1, 2, b"\0\1"), TRAILER]


def payload(block):
    return layout.encode(block)[layout.BLOCK.size :]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: type(block).__name__)
def test_blocks_come_back(block):
    """What is encoded is decoded to the same."""
    assert layout.decode(payload(block), 0) == block


def header_with(**changes):
    return [1, {**dataclasses.asdict(HEADER), **changes}]


def trailer_with(**changes):
    return [5, {**dataclasses.asdict(TRAILER), "ending": "finished", **changes}]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (7, "must be an array"),
        ([], "must be an array"),
        ({"a": 1}, "must be an array"),
        ([99, 1], "no block has the type '99'"),
        ([True, {}], "no block has the type"),
        (["1", {}], "no block has the type"),
        ([1], "must have header"),
        ([1, {}, {}], "must have header"),
        ([1, []], "the header must be a map"),
        ([1, {}], "lacks or must not have"),
        (header_with(extra=1), "'extra'"),
        (header_with(boot_id=1), "boot_id must be text"),
        (header_with(boot_id="x" * 5000), "boot_id must be text"),
        (header_with(started_ns=-1), "started_ns must be an integer"),
        (header_with(started_ns=True), "started_ns must be an integer"),
        (header_with(started_ns=1.0), "started_ns must be an integer"),
        (header_with(wall_offset_ns=2**63), "wall_offset_ns must be an integer"),
        (header_with(settings=[]), "settings must be a map"),
        (header_with(settings={"a": 1}), "setting 'a' must be text"),
        (header_with(settings={str(number): "" for number in range(65)}), "at most 64"),
        ([2, 5], "cgroups must be an array"),
        ([2, [[1]]], "a pair"),
        ([2, [[1, "text"]]], "path must be at most"),
        ([2, [[-1, b"/"]]], "id must be an integer"),
        ([2, [[1, b"/"]] * 257], "at most 256"),
        ([3, "n"], "must have name, content"),
        ([3, b"n", b""], "name must be text"),
        ([3, "n", b"x" * (layout.MAX_DOCUMENT_BYTES + 1)], "a document must be at most"),
        ([4, 0, 2, 0, b""], "lane must be"),
        ([4, 0, 0, 0, "text"], "a frame must be"),
        ([4, 0, 0, 0, b"x" * (layout.MAX_FRAME_BYTES + 1)], "a frame must be"),
        ([4, 2**64 - 1, 0, -1, b""], "arrival must be"),
        (trailer_with(ending="cut"), "finished or limit"),
        (trailer_with(ending=[]), "finished or limit"),
        (trailer_with(losses={"a": -1}), "a loss must be"),
        (trailer_with(frames=None), "frames must be"),
    ],
)
def test_a_payload_of_another_shape_says_what_and_where(value, says):
    """Every member's type and bound is checked, and the message has the offset."""
    with pytest.raises(RecordingError, match=r"^at byte 77: ") as caught:
        layout.decode(wire.pack(value), 77)
    assert says in str(caught.value)


def test_names_from_a_file_are_escaped_and_short():
    """A message shows what a file holds so that it cannot write to a terminal."""
    with pytest.raises(RecordingError) as caught:
        layout.decode(wire.pack(header_with(**{"\x1b[2J" + "x" * 900: 1})), 0)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_block_that_no_reader_takes_is_not_written():
    """The writer's bound is the reader's."""
    with pytest.raises(RecordingError, match="longer than"):
        layout.encode(Document("n", b"x" * layout.MAX_PAYLOAD_BYTES))


def test_block_types_are_permanent():
    """Recordings carry these numbers."""
    assert [(kind.name, kind.value) for kind in BlockType] == [("HEADER", 1), ("CGROUPS", 2), ("DOCUMENT", 3), ("FRAME", 4), ("TRAILER", 5)]
