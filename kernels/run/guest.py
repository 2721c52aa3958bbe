# SPDX-License-Identifier: Apache-2.0
"""
A command of this checkout on another kernel, from its package to its results.

`run_in_guest` is what tests call; ``python3 -m kernels.run`` is the same for
people. One guest per kernel and run, not one per test: a boot is cheap (three
seconds) but making its payload is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kernels.run.cache import cache_folder, scratch
from kernels.run.commands import require_tools
from kernels.run.disk import make_disk, read_disk
from kernels.run.errors import GuestDied
from kernels.run.initramfs import make_initramfs
from kernels.run.kernel import fetch_kernel
from kernels.run.machine import Disks, boot, command_line, indent
from kernels.run.payload import stage
from kernels.run.root import make_root

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).resolve().parents[2]
PAYLOAD_SPARE_BYTES = 256 * 1024 * 1024  # caches, compiled drivers, recordings the command writes beside the sources
RESULT_BYTES = 64 * 1024 * 1024  # reports and logs


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestResult:
    """How a command ended in a guest."""

    status: int
    """The command's exit status; 128 + signal when a signal ended it."""

    release: str
    """The kernel's release, as its package has it."""

    results: Path
    """What the command left in ``/results``."""


def run_in_guest(
    *, suite: str, package: str, command: str, results: Path, timeout_s: float, say: Callable[[str], None], checkout: Path = CHECKOUT
) -> GuestResult:
    """
    Boot the newest kernel of *suite* matching *package* and run *command* in it.

    Args:
        suite: A suite of Debian's archive ("bullseye").
        package: A pattern for the image's package name.
        command: A line for ``/bin/sh``, run as root in ``/scout``, the checkout's copy. ``/results`` comes back.
        results: An existing folder that receives ``/results``.
        timeout_s: For the boot and the command; fetching and building do not count. Emulation is 10 to 20 times slower than the host.
        say: Receives progress and console lines.
        checkout: The repository to take along.

    Raises:
        GuestError: see `kernels.run.errors`; the command's own failure is only in the status.
    """
    require_tools()
    cache = cache_folder()
    kernel = fetch_kernel(cache, suite, package, say)
    root = make_root(cache, say)
    with scratch(cache) as work:
        tree = work / "payload"
        tree.mkdir()
        stage(tree, checkout=checkout, kernel=kernel, command=command)
        disks = Disks(root=root, payload=work / "payload.img", results=work / "results.img")
        make_disk(disks.payload, tree=tree, spare_bytes=PAYLOAD_SPARE_BYTES)
        make_disk(disks.results, tree=None, spare_bytes=RESULT_BYTES)
        (work / "first.gz").write_bytes(make_initramfs(kernel))
        say(f"booting {kernel.release}")
        tail = boot(command_line(image=kernel.image, initramfs=work / "first.gz", disks=disks), timeout_s=timeout_s, on_line=say, scratch=work)
        read_disk(disks.results, results)
    status = results / "status"
    if not status.is_file():
        raise GuestDied(f"the guest ended without a status; its console ends:\n{indent(tail)}")
    return GuestResult(status=int(status.read_text()), release=kernel.release, results=results)
