# SPDX-License-Identifier: Apache-2.0
"""
Offsets written down beforehand: the last source, for nodes with neither BTF nor headers.

A table is a JSON file for exactly one kernel (kernels/offsets/README.md has the
format). It is read like hostile input: bounded, closed (an unknown key is a
mistake), every value a plausible offset. A table of another kernel is refused,
unless somebody named the file by hand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensor.core.errors import DocumentError, OffsetsUnknown
from sensor.probes.offsets.model import MAX_OFFSET, Answer, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sensor.core.kernel import Kernel
    from sensor.probes.offsets.model import Offsets
    from sensor.probes.offsets.wanted import Wanted

FORMAT = 1
"""Raised when the meaning of a file changes."""

_KEYS = {"format", "kernel", "origin", "members"}
_KERNEL_KEYS = {"release", "build", "machine"}
_MAX_FILE_BYTES = 262_144
"""A table is 4 KiB; this bounds a mistake."""

_MAX_FILES = 4_096
_MAX_PROBLEMS_SHOWN = 20


def from_tables(folder: Path | None, kernel: Kernel) -> Answer:
    """
    The table in *folder* that names this kernel's release, build and machine.

    Only files whose name begins with the release are opened, so that one
    broken table does not take the others with it.

    Raises:
        OffsetsUnknown: no table is for this kernel.
        DocumentError: a table for it has mistakes.
    """
    paths = sorted(folder.glob("*.json"))[:_MAX_FILES] if folder is not None and folder.is_dir() else []
    for path in paths:
        if not path.name.startswith(kernel.release):
            continue
        document = load(path)
        if _other_kernel(document, kernel) == "":
            return _answer(path, document)
    raise OffsetsUnknown(f"table: {folder or 'no folder'} has none for {kernel.release} ({kernel.build}, {kernel.machine})")


def from_file(path: Path, kernel: Kernel, *, by_hand: bool) -> Answer:
    """
    The table in the file *path*.

    Args:
        path: the file.
        kernel: the kernel it is to be for.
        by_hand: somebody named the file: a table of another kernel is taken then, and proven like any other.

    Raises:
        OffsetsUnknown: it is of another kernel.
        DocumentError: it cannot be read or has mistakes.
    """
    document = load(path)
    other = "" if by_hand else _other_kernel(document, kernel)
    if other:
        raise OffsetsUnknown(f"table: {path} is for another kernel: {other}", hint=f"to use it all the same: --offsets {path}")
    return _answer(path, document)


def load(path: Path) -> Mapping[str, object]:
    """
    Read and check one table.

    Raises:
        DocumentError: with every mistake in it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise DocumentError(f"{path}: longer than {_MAX_FILE_BYTES} bytes, so not an offset table")
    try:
        document = json.loads(data, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{path}: not JSON: {error}") from error
    problems = _problems(document)
    if problems:
        shown = "; ".join(problems[:_MAX_PROBLEMS_SHOWN])
        raise DocumentError(f"{path}: {shown}", problems=tuple(problems), hint="kernels/offsets/README.md has the format")
    assert isinstance(document, dict)  # noqa: S101  # _problems() has seen to it; for mypy
    return document


def dump(offsets: Offsets, wanted: Sequence[Wanted], kernel: Kernel) -> str:
    """
    A table with what *offsets* knows, as JSON text.

    Returns:
        The file's content; `load` reads it and `from_file` gives the same members back.
    """
    members = {label(item): offsets.members[item.macro] for item in wanted if item.macro in offsets.members}
    document = {
        "format": FORMAT,
        "kernel": {"release": kernel.release, "build": kernel.build, "machine": kernel.machine},
        "origin": offsets.source,
        "members": members,
    }
    return json.dumps(document, indent=2) + "\n"


def _answer(path: Path, document: Mapping[str, object]) -> Answer:
    members = document["members"]
    assert isinstance(members, dict)  # noqa: S101  # load() has seen to it; for mypy
    return Answer(source=f"table:{path}", members=members)


def _other_kernel(document: Mapping[str, object], kernel: Kernel) -> str:
    """What tells the table's kernel from this one; empty when it is this one."""
    named = document["kernel"]
    assert isinstance(named, dict)  # noqa: S101  # load() has seen to it; for mypy
    running = {"release": kernel.release, "build": kernel.build, "machine": kernel.machine}
    return ", ".join(f"its {key} is {named[key]!r}, this one's {value!r}" for key, value in running.items() if named[key] != value)


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"a key is there twice: {next(key for key in keys if keys.count(key) > 1)!r:.80}")
    return dict(pairs)


def _problems(document: object) -> list[str]:
    if not isinstance(document, dict):
        return ["not an object"]
    problems = [f"unknown key {key!r:.60}" for key in document if key not in _KEYS]
    problems += [f"key {key!r} is missing" for key in sorted(_KEYS - document.keys())]
    if "format" in document and (type(document["format"]) is not int or document["format"] != FORMAT):
        problems.append(f"format is {document['format']!r:.40}, this build reads {FORMAT}")
    if not isinstance(document.get("origin", ""), str):
        problems.append("origin is not a string")
    return problems + _kernel_problems(document.get("kernel", {})) + _member_problems(document.get("members", {"": 0}))


def _kernel_problems(kernel: object) -> list[str]:
    if not isinstance(kernel, dict) or set(kernel) != _KERNEL_KEYS:
        return [f"kernel has not exactly the keys {', '.join(sorted(_KERNEL_KEYS))}"]
    return [f"kernel.{key} is not a non-empty string" for key, value in kernel.items() if not isinstance(value, str) or not value]


def _member_problems(members: object) -> list[str]:
    if not isinstance(members, dict) or not members:
        return ["members is not an object with at least one member"]
    return [
        f"{name!r:.80} = {value!r:.40} is no offset (an integer from 0 to {MAX_OFFSET})"
        for name, value in members.items()
        if type(value) is not int or not 0 <= value <= MAX_OFFSET
    ]
