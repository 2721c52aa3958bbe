# SPDX-License-Identifier: Apache-2.0
"""
Which BCC is installed, found without importing it.

Importing costs 70 MiB, and the package may be an impostor: the Python package
index has another ``bcc`` with the same import name, whose code is not to be
run. So files are looked at: where Python would find the package, whether it
defines ``BPF``, which version it says it is, which shared library is there.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64")
_MAX_FILE_BYTES = 1 << 20
"""bcc/__init__.py has about 70 KiB."""

_VERSION = re.compile(rb"""__version__\s*=\s*["']([^"'\n]{1,60})["']""")


@dataclass(frozen=True, slots=True, kw_only=True)
class BccPackage:
    """What ``import bcc`` would give."""

    folder: Path | None
    """The package's folder; ``None`` when there is none."""

    is_real: bool
    """It is the BPF Compiler Collection: it defines the class ``BPF``."""

    version: str
    """What the package says of itself; empty when it does not."""

    library: str
    """File name of the shared library, ``libbcc.so.0.26.0``; empty when none was found."""


def find_bcc(path: Sequence[str] | None = None, library_folders: Iterable[str] = _LIBRARY_FOLDERS) -> BccPackage:
    """
    Look for BCC.

    Args:
        path: where Python looks for packages; `sys.path`.
        library_folders: where shared libraries are, each with its architecture's folder below.
    """
    library = _library(library_folders)
    spec = PathFinder.find_spec("bcc", list(sys.path if path is None else path))
    if spec is None or not spec.origin:
        return BccPackage(folder=None, is_real=False, version="", library=library)
    origin = Path(spec.origin)
    found = _VERSION.search(_content(origin.parent / "version.py"))
    return BccPackage(
        folder=origin.parent,
        is_real=re.search(rb"^class BPF\b", _content(origin), re.MULTILINE) is not None,
        version=found[1].decode("ascii", "replace") if found else "",
        library=library,
    )


def _library(folders: Iterable[str]) -> str:
    for folder in folders:
        for pattern in ("libbcc.so.0", "*/libbcc.so.0"):
            for path in sorted(Path(folder).glob(pattern)):
                return path.resolve().name
    return ""


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES)
    except OSError:
        return b""
