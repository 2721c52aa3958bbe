# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from sensor.core.errors import RecordingError
from sensor.recording import format as layout
from sensor.recording.format import Cgroups, Document, Ending, Frame
from sensor.recording.read import Recording
from tests.unit.recording import samples


def blocks_of(path):
    """Return the opening and the blocks of a file, as bytes."""
    data = path.read_bytes()
    at = layout.OPENING.size
    found = [data[:at]]
    while at < len(data):
        length, _ = layout.BLOCK.unpack_from(data, at)
        found.append(data[at : at + layout.BLOCK.size + length])
        at += layout.BLOCK.size + length
    return found


def test_what_was_recorded_is_read(tmp_path):
    """Context, frames in their order, and the trailer come back."""
    with Recording(samples.write(tmp_path / "r")) as recording:
        assert recording.header.node_name == "node-1"
        assert recording.documents == samples.DOCUMENTS
        assert recording.cgroups == samples.CGROUPS
        assert (recording.ending, recording.trailer) == (None, None)
        assert list(recording.frames()) == [Frame(number, lane, at, frame) for number, (frame, lane, at) in enumerate(samples.FRAMES)]
        assert recording.ending is Ending.FINISHED
        assert recording.cut_at is None
        assert recording.trailer.losses == {"kernel.ring_full_common": 3}


def test_more_cgroups_than_a_block_holds(tmp_path):
    """A full node's cgroups take several blocks and come back as one table."""
    cgroups = tuple((number, b"/%d" % number) for number in range(1, 700))
    with Recording(samples.write(tmp_path / "r", cgroups=cgroups)) as recording:
        assert recording.cgroups == cgroups


def test_cgroups_learned_on_the_way_come_in_their_place(tmp_path):
    """A path found out while recording stands before the frame that needs it."""
    with samples.recorder(tmp_path / "r") as recorder:
        recorder.frame(*samples.FRAMES[0])
        recorder.cgroup(9, b"/x")
        recorder.frame(*samples.FRAMES[1])
        recorder.finish()
    with Recording(tmp_path / "r") as recording:
        assert [type(block) for block in recording.blocks()] == [Frame, Cgroups, Frame]


@pytest.mark.slow
def test_every_cut_is_readable_up_to_the_cut(tmp_path):
    """However short the file, whole frames before the cut are read and the cut is told; without a header it is refused."""
    whole = samples.write(tmp_path / "r").read_bytes()
    parts = blocks_of(tmp_path / "r")
    context_bytes = sum(map(len, parts[:4]))
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        try:
            with Recording(tmp_path / "cut") as recording:
                frames = list(recording.frames())
                assert recording.ending is Ending.CUT
                assert recording.cut_at <= length
        except RecordingError:
            assert length < len(parts[0]) + len(parts[1])
            continue
        if length >= context_bytes:
            assert len(frames) == sum(length >= sum(map(len, parts[: 5 + number])) for number in range(3))


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ([0, 2, 1], "no header"),
        ([0, 1, 1], "stands behind"),
        ([0, 1, 4, 2], "stands behind frames"),
        ([0, 1, 5], "frame 1 stands where 0"),
        ([0, 1, 4, 4], "frame 0 stands where 1"),
        ([0, 1, 4, 7], "the trailer tells of 3 frames"),
        ([0, 1, 2, 3, 4, 5, 6, 7, 7], "something stands behind the trailer"),
    ],
)
def test_blocks_out_of_order_are_refused(tmp_path, order, says):
    """Blocks that are whole but not where they belong are damage: header, cgroups/documents, frames in sequence, trailer, nothing."""
    parts = blocks_of(samples.write(tmp_path / "r"))
    (tmp_path / "mixed").write_bytes(b"".join(parts[number] for number in order))
    with pytest.raises(RecordingError, match=says), Recording(tmp_path / "mixed") as recording:
        list(recording.blocks())


def test_damage_is_an_error_behind_what_is_whole(tmp_path):
    """A flipped bit in the second frame: the first is given, then the place of the damage."""
    parts = blocks_of(samples.write(tmp_path / "r"))
    parts[5] = parts[5][:20] + bytes([parts[5][20] ^ 1]) + parts[5][21:]
    (tmp_path / "bad").write_bytes(b"".join(parts))
    with Recording(tmp_path / "bad") as recording:
        frames = recording.frames()
        assert next(frames).sequence == 0
        with pytest.raises(RecordingError, match=f"at byte {sum(map(len, parts[:5]))}: the block's checksum"):
            next(frames)


def test_an_absurd_length_is_refused_not_allocated(tmp_path):
    """A block may not claim more than the longest real one."""
    parts = blocks_of(samples.write(tmp_path / "r"))
    (tmp_path / "bad").write_bytes(parts[0] + parts[1] + layout.BLOCK.pack(0xFFFFFFFF, 0))
    with pytest.raises(RecordingError, match="a block of 4294967295 bytes"):
        Recording(tmp_path / "bad")


def test_context_without_end_is_refused(tmp_path, monkeypatch):
    """Documents and cgroups before the first frame are bounded together."""
    monkeypatch.setattr(layout, "MAX_DOCUMENTS", 3)
    path = samples.write(tmp_path / "r", documents=[Document(str(number), b"") for number in range(4)])
    with pytest.raises(RecordingError, match="more than 3 documents"):
        Recording(path)


@pytest.mark.parametrize("content", [b"", b"SCOUT", b"\x7fELF" + bytes(100), layout.MAGIC])
def test_another_file_is_said_to_be_none(tmp_path, content):
    """A file that is something else is named as that."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(RecordingError, match="is not a recording"):
        Recording(tmp_path / "x")


def test_another_version_is_named(tmp_path):
    """A format from the future is refused with both numbers."""
    (tmp_path / "x").write_bytes(layout.OPENING.pack(layout.MAGIC, 9))
    with pytest.raises(RecordingError, match="format version 9; this Scout reads 1"):
        Recording(tmp_path / "x")


def test_what_is_no_file_does_not_hang(tmp_path):
    """A FIFO, a folder and nothing at all are refused at once."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(RecordingError, match="is not a file"):
            Recording(path)
    with pytest.raises(RecordingError, match="cannot be opened"):
        Recording(tmp_path / "nowhere")
