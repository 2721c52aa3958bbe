# SPDX-License-Identifier: Apache-2.0
"""
What a run brings into the guest: the checkout, its venv, the kernel's modules, and what to do.

It is one disk, mounted at ``/scout``. No bind mounts: the sensor treats files
reached through one differently (law 4 in the design), and the guest's live
tests must see what the host's see.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kernels.run.commands import run
from kernels.run.errors import BuildFailed
from kernels.run.root import PYTHON

if TYPE_CHECKING:
    from kernels.run.kernel import Kernel

GUEST_INIT = Path(__file__).with_name("guest_init.sh")

VENV_LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "*__mypyc*", "mypy*", "ruff*", "pip", "pip-*", "setuptools*", "pkg_resources", "ast_serialize*", "*-stubs", "types_*"
)
"""What checks source and never runs in a test; 120 of the venv's 140 MB."""


def stage(tree: Path, *, checkout: Path, kernel: Kernel, command: str) -> None:
    """
    Lay out the payload in the existing folder *tree*.

    Args:
        tree: Where; becomes ``/scout``.
        checkout: The repository. What git tracks goes, and what is new and not ignored.
        kernel: Its modules go too, so that the guest can load what tests need (overlayfs, veth).
        command: A line for ``/bin/sh``, run in ``/scout``.

    Raises:
        BuildFailed: not a git checkout, or no venv of the guest's Python to take along.
    """
    listed = run(["git", "-C", checkout, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).decode().split("\0")
    for name in filter(None, listed):
        source, target = checkout / name, tree / name
        if not source.is_symlink() and not source.is_file():
            continue  # removed in the working tree and not yet in a commit
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    shutil.copytree(find_venv(checkout), tree / ".venv", symlinks=True, ignore=VENV_LEFT_OUT)
    control = tree / ".guest"
    control.mkdir()
    shutil.copytree(kernel.modules, control / "modules" / kernel.release, symlinks=True, ignore=shutil.ignore_patterns("build", "source"))
    shutil.copy(GUEST_INIT, control / "init")
    (control / "command").write_text(command + "\n")


def find_venv(checkout: Path) -> Path:
    """
    The venv to take along: the running Python's, or else the checkout's ``.venv``.

    Raises:
        BuildFailed: there is none, or it is for another Python than the guest's.
    """
    venv = Path(sys.prefix) if sys.prefix != sys.base_prefix else checkout / ".venv"
    if not (venv / "pyvenv.cfg").is_file():
        raise BuildFailed(f"{venv} is no venv; `ci/setup dev` makes the checkout's")
    if not (venv / "lib" / f"python{PYTHON}" / "site-packages").is_dir():
        raise BuildFailed(f"{venv} is not for Python {PYTHON}, which the guest has; make it with Debian's /usr/bin/python3")
    return venv
