# SPDX-License-Identifier: Apache-2.0
"""Where an open's program time goes: one kind of file at a time, each ending at another stage of the classification."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.bench import programs
from tests.bench.loads import Load
from tests.bench.results import Series, median, put

_ACTS = 200_000
_SLICES = 5
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


def measure(pids: dict[str, int], scale: float) -> dict[str, dict[str, float]]:
    """Return sensor → what is opened → its program time per open, nanoseconds; *pids* are the sensors', which all watch the same opens."""
    ids = {arm: programs.programs_of(pid) for arm, pid in pids.items()}
    found: Series = {}
    with tempfile.TemporaryDirectory(prefix="scout-bench-") as folder, programs.accounting():
        loads = kinds(Path(folder))
        for _ in range(_SLICES):
            for load in loads:
                for arm, done in programs.during(ids, load, max(_MATCHED_ACTS, int(load.count * min(1.0, scale))) // _SLICES).items():
                    put(found, arm, load.name, programs.total_ns(done))
    return {arm: {title: median(values) for title, values in by_title.items()} for arm, by_title in found.items()}
