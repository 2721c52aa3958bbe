# SPDX-License-Identifier: Apache-2.0
"""The workloads: which acts, how many, and over which files."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.build import BenchError, build

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_FILE = "/etc/hostname"

ALIKE = (
    "shadow", "sudoers", "authorized_keys", "id_rsa", "passwd.txt", ".ssh/known", ".aws/config.bak", "sudoers.d/x",
    "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/leaf", "release_agent.txt",
)  # fmt: skip
"""Files of our own that no default rule names and that share a name, its length or a directory with ones that rules do name; one is deep."""

SYSTEM = ("/etc/hostname", "/etc/ld.so.cache", "/proc/self/stat", "/proc/meminfo", "/usr/lib/os-release", "/dev/null")
"""Files that every program opens; two of them are in a pseudo file system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One workload."""

    name: str
    act: str
    """What the C program calls it."""
    count: int
    """Acts in a full run: about a second."""
    paths: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def command(self, count: int, *, processes: int = 1, per_second: int = 0) -> list[str]:
        """Return the command that does *count* acts in each of *processes*, at most *per_second* each (0: as fast as it goes)."""
        pace = ["-r", str(per_second)] if per_second else []
        return [str(build() / "workloads"), "-n", str(count), "-p", str(processes), *pace, *self.options, self.act, *self.paths]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What an act took, nanoseconds: by the wall, and by the process's own time (user and system)."""

    wall_ns: float
    own_ns: float


@contextlib.contextmanager
def alike_tree() -> Iterator[tuple[str, ...]]:
    """Make the sixteen files of `ALIKE` and `SYSTEM`; yields their paths."""
    with tempfile.TemporaryDirectory(prefix="scout-bench-") as folder:
        for name in ALIKE:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        yield (*(f"{folder}/{name}" for name in ALIKE), *SYSTEM)


def standard(alike: tuple[str, ...]) -> dict[str, Load]:
    """Return the workloads by name; *alike* are the paths of `alike_tree`."""
    loads = (
        Load(name="open", act="open", count=1_000_000, paths=(ONE_FILE,)),
        Load(name="opens", act="open", count=800_000, paths=alike),
        Load(name="connect", act="connect", count=150_000),
        Load(name="fork", act="fork", count=2_000),
        Load(name="null", act="null", count=6_000_000),
    )
    return {load.name: load for load in loads}


def run(load: Load, count: int, *, processes: int = 1, per_second: int = 0) -> Timing:
    """Do a workload and return what an act took. Raises BenchError when it did not go as it should."""
    done = subprocess.run(load.command(count, processes=processes, per_second=per_second), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"workload {load.name}: {done.stderr.strip() or f'exit {done.returncode}'}")
    said = json.loads(done.stdout)
    return Timing(wall_ns=said["wall_ns"], own_ns=said["user_ns"] + said["system_ns"])


@contextlib.contextmanager
def beside(load: Load, *, processes: int = 1, per_second: int = 0) -> Iterator[None]:
    """Keep a workload going meanwhile; its processes end with the one we started."""
    child = subprocess.Popen(load.command(10**12, processes=processes, per_second=per_second), stdout=subprocess.DEVNULL)
    try:
        yield
        if child.poll() is not None:
            raise BenchError(f"workload {load.name} ended by itself with {child.returncode}")
    finally:
        child.kill()
        child.wait()
