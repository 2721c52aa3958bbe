# SPDX-License-Identifier: Apache-2.0
"""
Where guests keep what is expensive to make: kernels, roots, package lists.

Every entry is made in a folder of its own beside its final name and moved
there when it is whole, under a lock, so that two runs at once make it once and
a run that was killed leaves nothing that looks finished. Scratch folders carry
a locked file; the next run removes those whose owner is gone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = "/var/tmp/scout-guest-cache"  # noqa: S108  # not /tmp: that is often memory, and this is a gigabyte
_OWNER = ".owner"


def cache_folder() -> Path:
    """The cache's folder, made if need be: ``SCOUT_GUEST_CACHE``, or ``/var/tmp/scout-guest-cache``."""
    folder = Path(os.environ.get("SCOUT_GUEST_CACHE") or DEFAULT)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(cache: Path, name: str) -> Iterator[None]:
    """Hold the lock *name* of *cache*; the kernel lets go of it when the process ends."""
    with (cache / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch(cache: Path) -> Iterator[Path]:
    """A fresh folder inside *cache*, removed at the end; on the way in, those of killed runs are removed."""
    home = cache / "scratch"
    home.mkdir(exist_ok=True)
    with locked(cache, "scratch"):
        for old in home.iterdir():
            _remove_if_abandoned(old)
        folder = Path(tempfile.mkdtemp(dir=home))
        owner = (folder / _OWNER).open("w")
        fcntl.flock(owner, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        owner.close()
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        with (folder / _OWNER).open("r+") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # its run is alive
    except FileNotFoundError:
        pass  # killed before it owned the folder; we hold the lock of making one
    shutil.rmtree(folder, ignore_errors=True)


def clean(cache: Path) -> None:
    """Remove the whole cache."""
    shutil.rmtree(cache, ignore_errors=True)
