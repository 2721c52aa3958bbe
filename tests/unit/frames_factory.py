# SPDX-License-Identifier: Apache-2.0
"""
Frames for tests: bytes as the kernel would write them, from names and values.

`make_frame` is the decoder's opposite and shares nothing with it but the
layout, so a test of what reads frames need not have a kernel.
"""

from __future__ import annotations

import struct
from typing import Any

from sensor.events import layout
from sensor.events.common import ANCESTOR, SHARED_TAILS
from sensor.events.registry import KINDS

SPECS = {spec.name: spec for spec in KINDS}


def make_frame(kind: str, **values: Any) -> bytes:
    """Return a frame of *kind*; members not named are zero or empty. Tails are bytes."""
    spec = SPECS[kind]
    placed = (*layout.COMMON, *layout.own(spec))
    names = {member.field.name for member in placed}
    tails = [tail.name for tail in (*SHARED_TAILS, *spec.tails)]
    if wrong := set(values) - names - set(tails):
        raise TypeError(f"{kind} has no {sorted(wrong)}")
    body = b""
    for name in tails:
        tail = values.get(name, b"")
        values |= {f"{name}_at": layout.TAILS_AT + len(body), f"{name}_bytes": len(tail)}
        body += tail
    frame = bytearray(layout.TAILS_AT) + body
    values |= {"kind": spec.number, "frame_bytes": len(frame)}
    for member in placed:
        value = values.get(member.field.name, 0)
        scalar, count = member.field.scalar, member.field.count
        if isinstance(value, bytes):
            raw = value.ljust(count, b"\0")[:count]
        elif count > 1:
            raw = value.to_bytes(member.field.size_bytes, "little")
        else:
            raw = struct.pack(f"<{scalar.code}", value)
        frame[member.at : member.end] = raw
    return bytes(frame)


def make_ancestor(tgid: int, comm: bytes, **values: int) -> bytes:
    """Return an entry of the ancestors tail; members not named are zero."""
    values |= {"tgid": tgid}
    parts = [comm.ljust(field.count, b"\0") if field.text else struct.pack(f"<{field.scalar.code}", values.pop(field.name, 0)) for field in ANCESTOR]
    if values:
        raise TypeError(f"an ancestor has no {sorted(values)}")
    return b"".join(parts)
