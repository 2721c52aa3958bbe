# SPDX-License-Identifier: Apache-2.0
"""
Disks for a guest, and the way back from one: ext4 images filled and read without mounting.

Cloud kernels have no 9p and no virtiofs, so files travel on disks. The set of
features is the smallest that every kernel since 4.14 mounts, without a
journal: the disks are thrown away, and one that was not written out whole is
an error anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernels.run.commands import run
from kernels.run.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

FEATURES = "none,ext_attr,filetype,dir_index,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize"
MIB = 1024 * 1024
BLOCK_BYTES = 4096
OVERHEAD = 1.15  # inode tables and extents, on top of the files' own blocks


def make_disk(image: Path, *, tree: Path | None, spare_bytes: int) -> None:
    """
    Write an ext4 image with the files of *tree* (none: an empty one) and *spare_bytes* of room.

    Owners and modes are kept. The file is sparse.

    Raises:
        BuildFailed: mke2fs refused.
    """
    used = sum(_blocks(path) for path in tree.rglob("*")) * BLOCK_BYTES if tree else 0
    size_mib = int((used * OVERHEAD + spare_bytes) / MIB) + 16
    image.unlink(missing_ok=True)
    source = ["-d", str(tree)] if tree else []
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-b", str(BLOCK_BYTES), "-O", FEATURES, *source, image, f"{size_mib}M"])


def _blocks(path: Path) -> int:
    """How many blocks the file takes at most: its data and one for its name."""
    stat = path.lstat()
    return stat.st_size // BLOCK_BYTES + 2


def read_disk(image: Path, into: Path) -> None:
    """
    Copy every file of *image* into the existing folder *into*, with debugfs and no mount.

    Raises:
        BuildFailed: debugfs failed; a damaged image shows as missing files.
    """
    run(["debugfs", "-R", f'rdump / "{into}"', image])
    lost = into / "lost+found"
    if lost.is_dir():
        if any(lost.iterdir()):
            raise BuildFailed(f"{image} has files in lost+found")
        lost.rmdir()
