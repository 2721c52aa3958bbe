# SPDX-License-Identifier: Apache-2.0
"""The decoder against the specification: whatever the bytes, whatever the values."""

from hypothesis import given
from hypothesis import strategies as st

from sensor.core.errors import FrameError
from sensor.events import layout
from sensor.events.common import HEADER, PROCESS, SHARED_TAILS
from sensor.events.decode import decode
from sensor.events.registry import KINDS
from tests.unit.frames_factory import make_frame

WRITTEN_BY_THE_FACTORY = {"frame_bytes", "kind"}


def values_of(field):
    """Values that *field* can have, as the decoder gives them."""
    if field.text:
        return st.binary(max_size=field.count - 1).map(lambda raw: raw.split(b"\0")[0])
    if field.count > 1 and field.scalar.code == "B":
        return st.binary(min_size=field.count, max_size=field.count)
    bits = 8 * field.size_bytes
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if field.scalar.code.islower() else st.integers(0, (1 << bits) - 1)


def contents(spec):
    """The kind's name and a value for every member and tail of its frames."""
    fields = {field.name: values_of(field) for field in (*HEADER, *PROCESS, *spec.fields) if field.name not in WRITTEN_BY_THE_FACTORY}
    tails = {tail.name: st.binary(max_size=min(tail.max_bytes, 80)) for tail in (*SHARED_TAILS, *spec.tails) if tail.name != "ancestors"}
    return st.tuples(st.just(spec.name), st.fixed_dictionaries(fields | tails))


@given(content=st.one_of([contents(spec) for spec in KINDS]), padding=st.binary(max_size=8))
def test_what_was_written_is_read(content, padding):
    """Every member and tail of a frame decodes to what was written, whatever the transport put behind it."""
    kind, values = content
    event = decode(make_frame(kind, **values) + padding)
    assert {name: getattr(event, name) for name in values} == values


@given(
    number=st.sampled_from([spec.number for spec in KINDS]),
    start=st.binary(max_size=layout.TAILS_AT + 64),
    size=st.integers(0, layout.TAILS_AT + 64),
)
def test_hostile_bytes_raise_nothing_but_frame_errors(number, start, size):
    """Bytes that no kernel wrote decode or raise `FrameError`; a decoded tail never holds more than the frame does."""
    frame = bytearray(start.ljust(size, b"\xff"))
    frame[4:6] = number.to_bytes(2, "little")
    try:
        event = decode(bytes(frame))
    except FrameError:
        return
    assert all(len(getattr(event, tail.name)) <= len(frame) for tail in SHARED_TAILS)
