# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.adapters import wire
from sensor.core.counters import Counters
from sensor.core.errors import FrameError
from sensor.recording import format as layout
from sensor.recording.format import Document, Ending, Frame
from sensor.recording.read import Recording
from sensor.recording.replay import replay
from tests.unit.recording import samples

U64 = st.integers(0, 2**64 - 1)
FRAMES = st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 1), U64), max_size=8)
CGROUPS = st.lists(st.tuples(U64, st.binary(max_size=60)), max_size=6)
DOCUMENTS = st.lists(st.builds(Document, st.text(max_size=20), st.binary(max_size=60)), max_size=3)
VALUES = st.recursive(st.none() | st.booleans() | U64 | st.text(max_size=5) | st.binary(max_size=5), lambda inner: st.lists(inner, max_size=4), max_leaves=12)


class Silent:
    """A pipeline that looks at what rules look at and says nothing."""

    def __init__(self, _context):
        pass

    def handle(self, event):
        assert event.workload.profile in (0, 1, 2)
        assert isinstance(event.cmdline, bytes)

    def finish(self):
        pass


def replays_or_refuses(data: bytes) -> None:
    """Read and replay *data*; any exception that is not a FrameError fails the test."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r"
        path.write_bytes(data)
        try:
            with Recording(path) as recording:
                list(recording.blocks())
            replay(path, Silent, recompute=lambda _event: 0, counters=Counters())
        except FrameError:
            pass


def whole() -> bytes:
    """Return one recording of real-looking frames."""
    with TemporaryDirectory() as folder:
        return samples.write(Path(folder) / "r").read_bytes()


WHOLE = whole()


@settings(max_examples=60, deadline=None)
@given(frames=FRAMES, cgroups=CGROUPS, documents=DOCUMENTS)
def test_what_is_written_is_read(frames, cgroups, documents):
    """Any bytes as frames, any paths and documents come back as they were, and the end is known to be the end."""
    with TemporaryDirectory() as folder:
        path = samples.write(Path(folder) / "r", frames, cgroups=cgroups, documents=documents)
        with Recording(path) as recording:
            assert recording.cgroups == tuple(cgroups)
            assert recording.documents == tuple(documents)
            assert list(recording.frames()) == [Frame(number, lane, at, frame) for number, (frame, lane, at) in enumerate(frames)]
            assert recording.ending is Ending.FINISHED


@settings(max_examples=150, deadline=None)
@given(length=st.integers(0, len(WHOLE)), flips=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 7)), max_size=4))
def test_cuts_and_flipped_bits_raise_nothing_else(length, flips):
    """However a recording is cut and damaged, reading it gives frames or a FrameError."""
    data = bytearray(WHOLE)
    for at, bit in flips:
        data[at] ^= 1 << bit
    replays_or_refuses(bytes(data[:length]))


@settings(max_examples=150, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_under_a_right_checksum_raises_nothing_else(flips):
    """An attacker computes checksums too: with every one made right again, damage inside payloads and frames is still harmless."""
    data = bytearray(WHOLE)
    for at, value in flips:
        data[at] = value
    at = layout.OPENING.size
    while at + layout.BLOCK.size <= len(data):
        (length,) = struct.unpack_from("<I", data, at)
        payload = bytes(data[at + layout.BLOCK.size : at + layout.BLOCK.size + length])
        struct.pack_into("<I", data, at + 4, zlib.crc32(payload))
        at += layout.BLOCK.size + length
    replays_or_refuses(bytes(data))


@settings(max_examples=150, deadline=None)
@given(kind=st.integers(0, 6), members=st.lists(VALUES | st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=5))
def test_payloads_of_any_shape_are_a_block_or_refused(kind, members):
    """Valid msgpack of any shape decodes to a block or is a FrameError, never a TypeError or a KeyError."""
    try:
        block = layout.decode(wire.pack([kind, *members]), 0)
    except FrameError:
        return
    assert layout.decode(layout.encode(block)[layout.BLOCK.size :], 0) == block
