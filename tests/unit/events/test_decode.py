# SPDX-License-Identifier: Apache-2.0

import traceback

import pytest

from sensor.core.errors import FrameError, FrameTooShort, UnknownEventKind
from sensor.events import layout
from sensor.events.common import HEADER, PROCESS, SHARED_TAILS
from sensor.events.decode import EVENT_CLASSES, decode
from sensor.events.registry import KINDS
from tests.unit.frames_factory import make_ancestor, make_frame

SPECS = pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.name)


def a_value(field, salt):
    """Return a value that no other member of the frame has, as the decoder will give it."""
    if field.count > 1 and field.scalar.code == "B":
        raw = bytes(1 + (salt + index) % 250 for index in range(field.count))
        return raw[: field.count - 1] if field.text else raw
    bits = 8 * field.size_bytes - (field.scalar.code.islower())
    return (0x9E3779B97F4A7C15 * (salt + 1) ** 4) % (1 << bits)


@SPECS
def test_every_member_arrives_under_its_name(spec):
    """A frame with another value in every member and tail decodes to exactly these values."""
    own = {"frame_bytes", "kind", "ancestors"}
    fields = [field for field in (*HEADER, *PROCESS, *spec.fields) if field.name not in own]
    values = {field.name: a_value(field, salt) for salt, field in enumerate(fields)}
    values |= {tail.name: bytes([65 + salt]) * (salt + 3) for salt, tail in enumerate((*SHARED_TAILS, *spec.tails)) if tail.name not in own}
    frame = make_frame(spec.name, **values)
    event = decode(frame)
    assert {name: getattr(event, name) for name in values} == values
    assert (event.kind, event.kind_name, event.frame_bytes, event.ancestors) == (spec.number, spec.name, len(frame), ())
    assert type(event) is EVENT_CLASSES[spec.name]


@SPECS
def test_negative_numbers_stay_negative(spec):
    """Signed members (an errno) keep their sign."""
    signed = [field.name for field in spec.fields if field.scalar.code.islower()]
    event = decode(make_frame(spec.name, **dict.fromkeys(signed, -13)))
    assert [getattr(event, name) for name in signed] == [-13] * len(signed)


@SPECS
def test_an_event_holds_nothing_else(spec):
    """Events have slots: a misspelt attribute is an error, ``workload`` is free for the agent."""
    event = decode(make_frame(spec.name))
    assert not hasattr(event, "__dict__")
    assert not hasattr(event, "workload")
    event.workload = "w"
    with pytest.raises(AttributeError):
        event.wrokload = "w"


def test_text_ends_at_its_nul():
    """A name is what stands before the first NUL; one that fills its room has none."""
    assert decode(make_frame("open", comm=b"cat\0rest")).comm == b"cat"
    assert decode(make_frame("open", comm=b"")).comm == b""
    assert decode(make_frame("open", comm=b"x" * 16)).comm == b"x" * 16


def test_candidates_are_one_number():
    """The four words are one integer, word 0 least significant."""
    assert decode(make_frame("open", candidates=1 << 255 | 1 << 64 | 1)).candidates == 1 << 255 | 1 << 64 | 1


def test_ancestors_are_pairs():
    """The tail of parents becomes pairs of process id and name, nearest first; a broken last entry is dropped."""
    raw = make_ancestor(7, b"bash") + make_ancestor(1, b"y" * 16)
    assert decode(make_frame("exit", ancestors=raw)).ancestors == ((7, b"bash"), (1, b"y" * 16))
    assert decode(make_frame("exit", ancestors=raw + b"\1\2")).ancestors == ((7, b"bash"), (1, b"y" * 16))


def test_a_parent_is_known_by_more_than_its_number():
    """Each entry's members come out under their names, whatever their order in the frame."""
    told = {"tgid": 7, "start_ns": 1 << 60, "arg_start": 3, "exe_inode": 1 << 40, "exe_dev": 8 << 20 | 1}
    (one,) = decode(make_frame("open", ancestors=make_ancestor(comm=b"sh", **told))).lineage
    assert one._asdict() == {**told, "comm": b"sh"}


def test_padding_behind_a_frame_is_no_part_of_it():
    """The perf transport pads; the tails stay what they were."""
    frame = make_frame("open", path=b"/etc/shadow")
    assert decode(frame + b"\0" * 7).path == b"/etc/shadow"


@SPECS
def test_a_cut_frame_is_refused_at_every_length(spec):
    """However much of a frame is missing, it is refused as too short, never read beyond its end."""
    frame = make_frame(spec.name, exe_path=b"/bin/sh", cmdline=b"sh\0")
    for size in range(len(frame)):
        with pytest.raises(FrameTooShort):
            decode(frame[:size])


@SPECS
def test_hostile_bytes_decode_or_are_refused(spec):
    """Any bytes behind a good kind either decode or raise `FrameError`, nothing else."""
    size = layout.TAILS_AT + 40
    for fill in (b"\0", b"\x01", b"\x7f", b"\xff"):
        frame = bytearray(fill * size)
        frame[4:6] = spec.number.to_bytes(2, "little")
        try:
            event = decode(bytes(frame))
        except FrameError:
            continue
        assert event.kind == spec.number


def test_an_unknown_kind_is_refused_by_number():
    """A kind of another build is named, not guessed."""
    frame = bytearray(make_frame("open"))
    frame[4:6] = (999).to_bytes(2, "little")
    with pytest.raises(UnknownEventKind, match="kind 999"):
        decode(bytes(frame))


def test_a_traceback_shows_the_generated_text():
    """The decoder's source is in `linecache`, so an error in it can be read."""
    with pytest.raises(FrameTooShort) as caught:
        decode(make_frame("open", path=b"/x")[:-1])
    shown = "".join(traceback.format_exception(caught.value))
    assert "<decoder of open>" in shown
    assert "raise FrameTooShort(short(size, end))" in shown
