# SPDX-License-Identifier: Apache-2.0
"""
The repository's files, as its own tests see them.

The tree is walked rather than asked of git: the tests also hold in an unpacked
archive, and a new file counts before it is committed.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What builds and tools leave behind; .gitignore has the same.
NOT_OURS = {".git", ".venv", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__", "build", "dist"}


@cache
def files() -> tuple[Path, ...]:
    """Return every file of the repository, relative to its root, in order."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in NOT_OURS and not name.endswith(".egg-info"))
        found += [Path(folder, name).relative_to(ROOT) for name in sorted(names) if name not in NOT_OURS]  # a work tree's .git is a file
    return tuple(found)


def under(*tops: str, suffixes: tuple[str, ...] = (".py",)) -> list[Path]:
    """Return the files below the folders *tops* that end with one of *suffixes*."""
    return [path for path in files() if path.parts[0] in tops and path.suffix in suffixes]


def modules() -> list[Path]:
    """Return the modules of what is shipped: ``sensor`` and ``contract``."""
    return under("sensor", "contract")


def text(path: Path) -> str:
    """Return a file's text; what is not UTF-8 is replaced, since it is only searched."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")
