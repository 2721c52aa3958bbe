# SPDX-License-Identifier: Apache-2.0
"""
Where the members of tracepoint records lie, from tracefs.

The layout of a record is not fixed: RHEL's kernels have an extra common field,
and fields were added over time. The kernel writes it down per event in a
``format`` file, which is read strictly: what does not parse is a refusal.

Source: Documentation/trace/events.rst, "Event formats".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.core.errors import OffsetsUnknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.probes.offsets.wanted import WantedTracepoint

TRACEFS_PLACES = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
"""Where tracefs is mounted, or appears below debugfs (before 4.1 only there)."""

_FIELD = re.compile(r"\tfield:(?P<declaration>[^;]+);\toffset:(?P<offset>\d{1,5});\tsize:(?P<size>\d{1,5});\tsigned:[01];")
_NAME = re.compile(r"(\w+)(?:\[[^]]*])*$")
_MAX_FORMAT_BYTES = 65_536
_MAX_RECORD_BYTES = 8_192
"""PERF_MAX_TRACE_SIZE (include/linux/trace_events.h), 2048 until 5.16: no record is longer."""


def find_tracefs(places: Iterable[Path] = TRACEFS_PLACES) -> Path | None:
    """Where tracefs can be read; ``None`` when it is not mounted or not to be seen."""
    for place in places:
        try:
            if (place / "events/header_page").is_file() or (place / "events/sched").is_dir():
                return place
        except OSError:
            continue
    return None


def parse_format(text: str) -> dict[str, int]:
    """
    The fields of one ``format`` file.

    Returns:
        Field name → byte offset in the record, the common fields included.

    Raises:
        ValueError: a line of the field list is not what the kernel writes.
    """
    fields: dict[str, int] = {}
    for line in text.splitlines():
        if line.startswith("print fmt:"):
            break
        if not line.startswith("\t"):
            continue
        found = _FIELD.fullmatch(line)
        name = _NAME.search(found["declaration"].strip()) if found else None
        if found is None or name is None:
            raise ValueError(f"not a field: {line!r:.120}")
        if int(found["offset"]) + int(found["size"]) > _MAX_RECORD_BYTES or name[1] in fields:
            raise ValueError(f"not a believable field: {line!r:.120}")
        fields[name[1]] = int(found["offset"])
    if not fields:
        raise ValueError("no fields")
    return fields


def read_offsets(tracefs: Path, wanted: Iterable[WantedTracepoint]) -> dict[str, int]:
    """
    The offsets of the wanted members, by C macro without ``OFF_`` (``tp_sched_process_exec__filename``).

    Members of an event the kernel does not have are left out; the C side asks with ``#ifdef``.

    Raises:
        OffsetsUnknown: the event is there and the member is not, or its file cannot be understood.
    """
    offsets: dict[str, int] = {}
    formats: dict[Path, dict[str, int] | None] = {}
    for item in wanted:
        path = tracefs / "events" / item.category / item.event / "format"
        if path not in formats:
            formats[path] = _read(path)
        fields = formats[path]
        if fields is None:
            continue
        if item.field not in fields:
            raise OffsetsUnknown(f"{path}: the tracepoint {item.category}/{item.event} has no member {item.field}")
        offsets[item.macro] = fields[item.field]
    return offsets


def _read(path: Path) -> dict[str, int] | None:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FORMAT_BYTES).decode("ascii", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OffsetsUnknown(f"{path}: cannot be read: {error.strerror}", hint="tracefs is for root alone: mode 0700") from error
    try:
        return parse_format(text)
    except ValueError as error:
        raise OffsetsUnknown(f"{path}: {error}") from error
