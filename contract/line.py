# SPDX-License-Identifier: Apache-2.0
"""
One finding, one line of JSON, at most 16,000 bytes.

containerd splits what a container prints at 16 KiB, and half a document is
worse than a shorter one. `to_line` keeps what a reader needs most: the
process's name, its command line (cut when it must be), the path of the act.
Other members are shortened first, in a fixed order, and each is named in
``cut``. A line has no control character and nothing else that does not print
(bidirectional overrides, terminal escapes): they are JSON escapes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LINE_BYTES = 16_000
"""Longest line, its newline included: below containerd's 16 KiB with room for what a log shipper puts around it."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_CANDIDATE = re.compile(r"[^ -~]")  # linear: one character class

_STEPS: tuple[tuple[tuple[str, ...], int], ...] = (
    # (member, bytes of JSON it may keep); the least missed first. 0: replaced by null.
    (("output",), 1_024),
    (("process", "args"), 0),
    (("pod", "labels"), 1_024),
    (("process", "cmdline"), 2_048),
    (("process", "cwd"), 512),
    (("act", "interpreter"), 512),
    (("act", "fs_path"), 512),
    (("act", "asked"), 512),
    (("process", "exe"), 1_024),
    (("output",), 256),
    (("process", "cmdline"), 1_024),
    (("pod", "labels"), 256),
    (("tags",), 256),
    (("attack",), 256),
    (("flags",), 256),
    (("act", "flags"), 256),
    (("process", "capabilities", "permitted"), 256),
    (("process", "capabilities", "effective"), 256),
    (("parents",), 512),
    (("process", "cwd"), 256),
    (("act", "interpreter"), 256),
    (("act", "fs_path"), 256),
    (("act", "asked"), 256),
    (("process", "exe"), 512),
    (("act", "path"), 6_200),  # 1,024 bytes, each of which may take six in JSON
)

_LAST_RESORT_BYTES = 64
"""What any other text may keep when the steps were not enough: only documents full of long names come that far."""


def to_line(finding: Mapping[str, Any]) -> tuple[bytes, bool]:
    """
    Return *finding* as one line of JSON, with its newline, of at most `LINE_BYTES`, and whether it had to be shortened.

    *finding* is not changed. Members that lost something here are named in the line's ``cut``.
    """
    line = _line(finding)
    if len(line) < LINE_BYTES:
        return line + b"\n", False
    smaller = _copy(finding)
    for member, keep_bytes in _STEPS:
        if _shorten(smaller, member, keep_bytes):
            line = _json(smaller).encode("utf-8", "backslashreplace")
            if len(line) < LINE_BYTES:
                return line + b"\n", True
    for member in list(_texts(smaller, ())):
        _shorten(smaller, member, _LAST_RESORT_BYTES)
    return _json(smaller).encode("utf-8", "backslashreplace") + b"\n", True


def _line(value: object) -> bytes:
    """Write what nearly every finding is, printable ASCII, by the fast encoder; the rest the careful way."""
    try:
        line = orjson.dumps(value)
    except TypeError:  # a lone surrogate, which JSON has no form for
        return _json(value).encode("utf-8", "backslashreplace")
    return line if line.isascii() and line.decode().isprintable() else _json(value).encode("utf-8", "backslashreplace")


def _json(value: object) -> str:
    text = _encode(value)
    return text if text.isprintable() else _CANDIDATE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _copy(value: Any) -> Any:  # noqa: ANN401  # a JSON value
    """Copy a JSON value deeply (`copy.deepcopy` costs ten times as much)."""
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _shorten(finding: dict[str, Any], member: tuple[str, ...], keep_bytes: int) -> bool:
    """Shorten *member* to *keep_bytes* of JSON, and tell whether that changed anything."""
    holder: Any = finding
    for name in member[:-1]:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or holder.get(member[-1]) is None:
        return False
    value = holder[member[-1]]
    if keep_bytes == 0:
        holder[member[-1]] = None
    elif _size(value) <= keep_bytes:
        return False
    elif isinstance(value, str):
        holder[member[-1]] = _prefix(value, keep_bytes)
    elif isinstance(value, list):
        holder[member[-1]] = _first(value, keep_bytes)
    elif isinstance(value, dict):
        holder[member[-1]] = dict(_first(list(value.items()), keep_bytes))
    else:
        return False
    marks = cast("list[str]", finding.setdefault("cut", []))
    if (mark := ".".join(member)) not in marks:
        marks.append(mark)
    return True


def _size(value: object) -> int:
    return len(_json(value).encode("utf-8", "backslashreplace"))


def _prefix(text: str, keep_bytes: int) -> str:
    """Return the longest beginning of *text* whose JSON, quotes included, has at most *keep_bytes*; an escape is not cut in two."""
    low, high = 0, min(len(text), keep_bytes)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _size(text[:middle]) <= keep_bytes else (low, middle - 1)
    kept = text[:low]
    begin = kept.rfind("\\x", len(kept) - 3)
    return kept[:begin] if begin >= 0 else kept.removesuffix("\\") if low < len(text) else kept


def _first(items: list[Any], keep_bytes: int) -> list[Any]:
    kept: list[Any] = []
    left = keep_bytes - 2
    for item in items:
        left -= _size(item) + 1
        if left < 0:
            break
        kept.append(item)
    return kept


def _texts(value: dict[str, Any], at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Go through the texts and lists of a document, but for those the steps have dealt with."""
    handled = {member for member, _ in _STEPS} | {("schema",), ("process", "name"), ("cut",)}
    for name, inner in value.items():
        member = (*at, name)
        if member in handled:
            continue
        if isinstance(inner, dict):
            yield from _texts(inner, member)
        elif isinstance(inner, str | list):
            yield member
