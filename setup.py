# SPDX-License-Identifier: Apache-2.0
"""
The one thing pyproject.toml cannot say: which data files go to ``share/scout``.

The C sources, the rules and the offset tables stand beside the packages, not
inside them, and rules have a folder each; so the list is walked, not written.
`sensor.core.paths` finds them again. Everything else is in pyproject.toml.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
DATA_FOLDERS = ("bpf", "rules", "kernels/offsets")


def data_files(root: Path = ROOT) -> list[tuple[str, list[str]]]:
    """Pairs of a folder under the installation prefix and the files, relative to *root*, that belong there; sorted."""
    by_folder: dict[str, list[str]] = {}
    for top in DATA_FOLDERS:
        for path in sorted((root / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(root)
                by_folder.setdefault(f"share/scout/{relative.parent.as_posix()}", []).append(relative.as_posix())
    return sorted(by_folder.items())


if __name__ == "__main__":
    setup(data_files=data_files())
