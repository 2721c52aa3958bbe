# SPDX-License-Identifier: Apache-2.0
"""
The first root: busybox, the modules that reach the disks, and a switch to the real one.

Written as a cpio archive ("newc") here, so that no cpio program is needed.

Source: Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import gzip
import lzma
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from kernels.run.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernels.run.kernel import Kernel

BUSYBOX = Path("/bin/busybox")  # Debian's busybox-static

INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do [ ! -f "$module" ] || /bin/busybox insmod "$module"; done
/bin/busybox mount -t ext4 /dev/vda /root || { echo "guest: cannot mount the root"; /bin/busybox poweroff -f; }
/bin/busybox mount -t ext4 /dev/vdb /root/scout || { echo "guest: cannot mount the checkout"; /bin/busybox poweroff -f; }
exec /bin/busybox switch_root /root /bin/sh /scout/.guest/init
"""

_FOLDERS = ("bin", "dev", "proc", "sys", "root", "modules")


def make_initramfs(kernel: Kernel) -> bytes:
    """
    The archive for *kernel*, gzipped.

    Raises:
        BuildFailed: a module's compression is not one of Debian's.
        OSError: busybox or a module cannot be read.
    """
    entries: list[tuple[str, int, bytes]] = [(name, stat.S_IFDIR | 0o755, b"") for name in _FOLDERS]
    entries.append(("bin/busybox", stat.S_IFREG | 0o755, BUSYBOX.read_bytes()))
    entries.append(("init", stat.S_IFREG | 0o755, INIT.encode()))
    for place, path in enumerate(kernel.load_order()):
        name = path.name.partition(".ko")[0]
        entries.append((f"modules/{place:03}-{name}.ko", stat.S_IFREG | 0o644, _plain_module(path)))
    return gzip.compress(_cpio(entries), compresslevel=1, mtime=0)


def _plain_module(path: Path) -> bytes:
    """A module's bytes, uncompressed: busybox's insmod and older kernels take nothing else."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return run(["zstd", "-qdc", path])
    return path.read_bytes()


def _cpio(entries: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Each entry is (path, mode, content); the trailer closes the archive."""
    out = bytearray()
    for inode, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        encoded = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        out += b"\0" * (-len(out) % 4)
        out += content
        out += b"\0" * (-len(out) % 4)
    return bytes(out)
