# SPDX-License-Identifier: Apache-2.0
"""Where an open's program time goes: one kind of file at a time, each ending at another stage of the classification."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import programs
from tests.bench.loads import Load

if TYPE_CHECKING:
    from tests.bench.sensors import Running

_ACTS = 200_000
_MATCHED_ACTS = 5_000
"""Enough to be steady, and soon over: the workload's token bucket cuts most of them, which is a stage of its own."""


def kinds(folder: Path) -> tuple[Load, ...]:
    """Return what is opened, from the earliest end to the latest; files are made below *folder*."""
    deep = folder / "/".join("abcdefghijklmnop")
    for path in (deep, folder / "sudoers.d", folder / ".ssh"):
        path.mkdir(parents=True, exist_ok=True)
    for path in (deep / "leaf", folder / "sudoers.d/x", folder / ".ssh/known", folder / "shadow", folder / "passwd.txt", folder / "written"):
        path.touch()

    def load(title: str, path: object, *options: str) -> Load:
        return Load(name=title, act="open", count=_ACTS, paths=(str(path),), options=options)

    return (
        load("a file that no rule is about", "/etc/hostname"),
        load("the same, deep", deep / "leaf"),
        load("a pseudo file", "/proc/self/stat"),
        load("a device", "/dev/null"),
        load("a name like a rule's", folder / "passwd.txt"),
        load("a rule's name in another folder", folder / "shadow"),
        load("another name in a folder called as a rule's", folder / "sudoers.d/x"),
        load("another name in a user's key folder", folder / ".ssh/known"),
        load("for writing", folder / "written", "-w"),
        load("a file that is missing", folder / "missing", "-m"),
        Load(name="a file that a rule matches", act="open", count=_MATCHED_ACTS, paths=("/etc/shadow",)),
    )


def measure(running: Running, scale: float) -> dict[str, float]:
    """Return what is opened → the sensor's program time per open, nanoseconds."""
    ids = programs.programs_of(running.pid)
    with tempfile.TemporaryDirectory(prefix="scout-bench-") as folder, programs.accounting():
        return {load.name: programs.total_ns(programs.during(ids, load, max(_MATCHED_ACTS, int(load.count * min(1.0, scale))))) for load in kinds(Path(folder))}
