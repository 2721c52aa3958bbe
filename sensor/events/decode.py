# SPDX-License-Identifier: Apache-2.0
"""
Turn frames into events: one class and one generated function per kind.

The function unpacks the fixed part in one call and slices the tails; it is made
from the specifications when the module is imported and registered in
`linecache`, so a traceback shows its text. Three promises: a frame that is too
short or whose tails point outside it raises, nothing else does; longer is
normal (the perf transport pads); nothing here asks what a value means.
"""

from __future__ import annotations

import linecache
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from sensor.core.errors import FrameTooShort, UnknownEventKind
from sensor.events import layout
from sensor.events.around import NOTHING
from sensor.events.common import ANCESTOR, ANCESTOR_BYTES, SHARED_TAILS
from sensor.events.registry import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.events.spec import EventSpec

_PACKED = "ancestors_packed"
"""Where an event keeps its ancestors until somebody asks for them: few rules do, every finding does."""
_KIND_AT = next(member.at for member in layout.COMMON if member.field.name == "kind")
_KIND = struct.Struct("<H")


def _format(placed: tuple[layout.Placed, ...]) -> str:
    """The `struct` format of *placed*, gaps as pad bytes, little-endian: the sensor runs where the frame was made."""
    parts = ["<"]
    at = 0
    for member in placed:
        if member.at > at:
            parts.append(f"{member.at - at}x")
        field = member.field
        if field.count > 1 and field.scalar.code == "B":
            parts.append(f"{field.count}s")
        else:
            parts.append(f"{field.count if field.count > 1 else ''}{field.scalar.code}")
        at = member.end
    return "".join(parts)


class Ancestor(NamedTuple):
    """One parent, its members as in `sensor.events.common.ANCESTOR`."""

    start_ns: int
    arg_start: int
    exe_inode: int
    tgid: int
    exe_dev: int
    comm: bytes


_ENTRY = struct.Struct(_format(layout.place(ANCESTOR, 0)))


_TGID, _COMM = Ancestor._fields.index("tgid"), Ancestor._fields.index("comm")


def _entries(raw: bytes) -> Iterator[tuple[Any, ...]]:
    return _ENTRY.iter_unpack(raw[: len(raw) - len(raw) % ANCESTOR_BYTES])


def _lineage(raw: bytes) -> tuple[Ancestor, ...]:
    return tuple(Ancestor._make((*numbers, comm.split(b"\0", 1)[0])) for *numbers, comm in _entries(raw))


def _ancestors(raw: bytes) -> tuple[tuple[int, bytes], ...]:
    return tuple((one[_TGID], one[_COMM].split(b"\0", 1)[0]) for one in _entries(raw))


def _source(spec: EventSpec, placed: tuple[layout.Placed, ...]) -> tuple[str, list[str]]:
    """The decoder's text and the attributes its events have. Every name in it comes from the specifications."""
    names: list[str] = []
    targets: list[str] = []
    lines: list[str] = []
    for member in placed:
        field = member.field
        if field.count > 1 and field.scalar.code != "B":
            words = [f"{field.name}_{i}" for i in range(field.count)]
            targets += words
            lines.append("    e." + field.name + " = " + " | ".join(f"{word} << {64 * i}" if i else word for i, word in enumerate(words)))
            names.append(field.name)
        elif field.name.endswith(("_at", "_bytes")) and field.name != "frame_bytes":
            targets.append(field.name)
        elif field.text:
            targets.append(field.name)
            lines.append(f"    e.{field.name} = {field.name}[:{field.name}.find(0)] if 0 in {field.name} else {field.name}")
            names.append(field.name)
        else:
            targets.append(f"e.{field.name}")
            names.append(field.name)
    for tail in (*SHARED_TAILS, *spec.tails):
        lines.append(f"    end = {tail.name}_at + {tail.name}_bytes")
        lines.append("    if end > size: raise FrameTooShort(short(size, end))")
        name = _PACKED if tail.name == "ancestors" else tail.name
        lines.append(f"    e.{name} = frame[{tail.name}_at:end]")
        names.append(name)
    head = [
        f"def decode_{spec.name}(frame):",
        "    size = len(frame)",
        f"    if size < {layout.TAILS_AT}: raise FrameTooShort(short(size, {layout.TAILS_AT}))",
        "    e = Event()",
    ]
    return "\n".join([*head, f"    {', '.join(targets)} = unpack(frame)", *lines, "    e.around = nothing", "    return e", ""]), names


def _short(size: int, need: int) -> str:
    return f"{size} bytes, need {need}"


def _build(spec: EventSpec) -> tuple[type, Callable[[bytes], Any]]:
    placed = (*layout.COMMON, *layout.own(spec))
    text, names = _source(spec, placed)
    members = {
        "__slots__": (*names, "workload", "around"),
        "kind_name": spec.name,
        "__doc__": spec.doc,
        "ancestors": property(lambda event: _ancestors(event.ancestors_packed)),
        "lineage": property(lambda event: _lineage(event.ancestors_packed)),
    }
    event = type(f"{spec.name.capitalize()}Event", (), members)
    scope = {"unpack": struct.Struct(_format(placed)).unpack_from, "Event": event, "FrameTooShort": FrameTooShort, "short": _short, "nothing": NOTHING}
    filename = f"<decoder of {spec.name}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), scope)  # noqa: S102  # the text is made of the specifications alone
    return event, scope[f"decode_{spec.name}"]  # type: ignore[return-value]


_BUILT = {spec.number: _build(spec) for spec in KINDS}
_DECODERS = {number: decoder for number, (_, decoder) in _BUILT.items()}
EVENT_CLASSES = {spec.name: _BUILT[spec.number][0] for spec in KINDS}
"""The event class of each kind, by the kind's name."""


def decode(frame: bytes) -> Any:  # noqa: ANN401  # the classes are generated
    """
    Read one frame.

    Args:
        frame: one record as the kernel wrote it; may be longer, never shorter.

    Returns:
        An object of the kind's class, its attributes named as in the
        specifications, with ``ancestors`` (pairs of process id and name) and
        ``lineage`` (`Ancestor`) made when asked for; ``workload`` is left
        unset for the agent to fill, ``around`` knows nothing
        (`sensor.events.around`) until the agent puts its own there.

    Raises:
        FrameTooShort: the frame ends inside its fixed part or inside a tail.
        UnknownEventKind: no kind of this build has the frame's number.
    """
    if len(frame) < _KIND_AT + 2:
        raise FrameTooShort(_short(len(frame), _KIND_AT + 2))
    number = _KIND.unpack_from(frame, _KIND_AT)[0]
    decoder = _DECODERS.get(number)
    if decoder is None:
        raise UnknownEventKind(f"kind {number}")
    return decoder(frame)
