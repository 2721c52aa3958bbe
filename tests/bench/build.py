# SPDX-License-Identifier: Apache-2.0
"""Compile the C programs of this folder into ``build/bench`` of the repository, when they are out of date."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "bench"
PROGRAMS = ("workloads", "act", "stamp")


class BenchError(Exception):
    """A measurement that cannot be made; the message says why and what to do."""


def build() -> Path:
    """Compile what is out of date and return the programs' folder. Raises BenchError with the compiler's words."""
    if not shutil.which("gcc"):
        raise BenchError("no gcc here; install it with: ci/setup bench")
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        source, target = HERE / f"{name}.c", BUILD / name
        if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
            continue
        # Static: a start without the dynamic linker's opens, which would be acts of ours among those measured.
        command = ["gcc", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"gcc refused {source.name}:\n{done.stderr}")
    return BUILD
