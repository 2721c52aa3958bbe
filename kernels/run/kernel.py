# SPDX-License-Identifier: Apache-2.0
"""
A kernel image from Debian's archive, unpacked in the cache, with its modules in order.

Left to others: which packages to fetch (`kernels.matrix`), how it is booted
(`kernels.run.machine`).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernels.run.cache import locked
from kernels.run.commands import run
from kernels.run.errors import BuildFailed
from kernels.run.packages import Package, Suite
from kernels.run.sources import find_mirror

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4")  # what the first root needs to reach the disks; built in on some kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One unpacked kernel."""

    package: Package
    release: str
    """What ``uname -r`` says in the guest."""

    image: Path
    """The bzImage QEMU boots."""

    modules: Path
    """The folder ``lib/modules/<release>``, with a ``modules.dep``."""

    def load_order(self, wanted: tuple[str, ...] = BOOT_MODULES) -> list[Path]:
        """
        The module files to insert for *wanted*, dependencies first; what is built in does not appear.

        Source: modules.dep(5): each line is a module and all it depends on, the
        one to load last first.
        """
        order: list[Path] = []
        lines = (self.modules / "modules.dep").read_text().splitlines()
        by_name = {_module_name(line.partition(":")[0]): line for line in lines}
        for name in wanted:
            line = by_name.get(name)
            if line is None:
                continue
            head, _, needs = line.partition(":")
            order += [self.modules / path for path in [*reversed(needs.split()), head]]
        return list(dict.fromkeys(order))


def _module_name(path: str) -> str:
    """``kernel/fs/ext4/ext4.ko.xz`` is the module ``ext4``; a dash in a file's name is an underscore in the module's."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def fetch_kernel(cache: Path, suite: str, pattern: str, say: Callable[[str], None]) -> Kernel:
    """
    The newest kernel of *suite* that matches *pattern*, downloaded unless the cache has it.

    Raises:
        ArchiveError: no mirror, no network and nothing cached, no such package.
        BuildFailed: the package is not what a kernel image package looks like.
    """
    with locked(cache, f"apt-{suite}"):
        archive = Suite(suite, find_mirror(), cache / f"apt-{suite}")
        if not archive.update():
            say(f"no fresh lists of {suite}; going on with those in the cache")
        package = archive.newest(pattern)
        folder = cache / "kernels" / package.key
        if not folder.exists():
            say(f"fetching {package.name} {package.version}")
            part = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.parent.mkdir(exist_ok=True)
            archive.unpack(package, part)
            _index_modules(part)
            part.rename(folder)
    images = sorted((folder / "boot").glob("vmlinuz-*"))
    if len(images) != 1:
        raise BuildFailed(f"{package.key} has {len(images)} kernel images, need one")
    release = images[0].name.removeprefix("vmlinuz-")
    return Kernel(package=package, release=release, image=images[0], modules=_modules_home(folder) / release)


def _modules_home(folder: Path) -> Path:
    """Debian moved modules under /usr in 2024."""
    old, new = folder / "lib/modules", folder / "usr/lib/modules"
    return old if old.is_dir() else new


def _index_modules(folder: Path) -> None:
    """Write modules.dep, which the package leaves to its installation script."""
    home = _modules_home(folder)
    if not home.is_dir():
        raise BuildFailed("the package has no modules: newer suites keep them in a package of their own, which this cannot fetch yet")
    for release in home.iterdir():
        run(["depmod", "-b", home.parent.parent, release.name])
