# SPDX-License-Identifier: Apache-2.0
"""
The guest's root: a small Debian with BCC, as a disk image in the cache.

The image depends on nothing but the recipe below, so its name carries the
recipe's hash and a changed list makes a new image. It is never written to:
QEMU keeps a run's changes in a file that vanishes (``snapshot=on``). The
checkout comes on a disk of its own (`kernels.run.payload`).
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from kernels.run.cache import locked
from kernels.run.commands import run
from kernels.run.disk import make_disk
from kernels.run.sources import find_mirror

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SUITE = "bookworm"
"""What users' nodes run Scout on, and what the venv's compiled packages are made for (Python 3.11)."""

PYTHON = "3.11"

PACKAGES = (
    "busybox-static",  # a container's whole user space in one file
    "ca-certificates",
    "gcc",  # the drivers of the live tests are C
    "iproute2",
    "kmod",  # the kernel asks for modules through it
    "libbpf1",
    "libc6-dev",
    "procps",
    "python3",
    "python3-bpfcc",
    "python3-yaml",
    "runc",
    "strace",
    "util-linux",
)

MOUNT_POINTS = ("scout", "results")  # the payload's and the result disk's

RECIPE = 1
"""Raised when this module makes another image of the same packages."""

SPARE_BYTES = 512 * 1024 * 1024  # room the guest may write; the file stays sparse until it does


def root_name() -> str:
    """The image's file name: it changes when anything that goes into it does."""
    recipe = repr((SUITE, PACKAGES, MOUNT_POINTS, RECIPE))
    return f"root-{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}.img"


def make_root(cache: Path, say: Callable[[str], None]) -> Path:
    """
    The root's image, made unless the cache has it (one to three minutes, 250 MB of downloads).

    Raises:
        BuildFailed: debootstrap or mke2fs failed.
    """
    image = cache / root_name()
    with locked(cache, "root"):
        if image.exists():
            return image
        say(f"making the root ({SUITE}, {len(PACKAGES)} packages)")
        tree = cache / f"{image.stem}.part"
        shutil.rmtree(tree, ignore_errors=True)
        # A mount and PID namespace of its own: what debootstrap mounts or starts inside the tree ends with it,
        # so removing the tree can never reach the host's /proc.
        private = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        run([*private, "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, tree, find_mirror().archive])
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
            shutil.rmtree(tree / waste, ignore_errors=True)
        for point in MOUNT_POINTS:
            (tree / point).mkdir()
        part = image.with_suffix(".img.part")
        make_disk(part, tree=tree, spare_bytes=SPARE_BYTES)
        part.rename(image)
        shutil.rmtree(tree)
    return image
