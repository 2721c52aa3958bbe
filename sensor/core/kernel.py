# SPDX-License-Identifier: Apache-2.0
"""
Which kernel this is: release, build and machine as uname(2) tells them.

A release string is for people and for choosing an offset table; it is not asked
what the kernel can do. Distributions take features back to older numbers, so
that question goes to the kernel itself (`sensor.probes.features`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from sensor.core.errors import KernelUnsupported

OLDEST_SUPPORTED = (4, 14)
"""The oldest kernel the probes are written for (docs: Amazon Linux 2's first)."""

_NUMBERS = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,5}))?")
"""The numbers a release begins with; ``5.10`` without a third part exists (self-built kernels)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What uname(2) says."""

    release: str
    """``5.10.0-30-cloud-amd64``."""

    build: str
    """uname's *version*: ``#1 SMP Debian 5.10.218-1 (2024-06-01)``; tells builds of one release apart."""

    machine: str
    """``x86_64``, ``aarch64``."""

    @property
    def numbers(self) -> tuple[int, int, int]:
        """
        The release's three numbers, a missing third as 0.

        Raises:
            KernelUnsupported: the release does not begin with numbers.
        """
        found = _NUMBERS.match(self.release)
        if found is None:
            raise KernelUnsupported(f"the kernel's release {self.release!r} does not begin with a version number")
        return int(found[1]), int(found[2]), int(found[3] or 0)

    @property
    def old_enough_to_refuse(self) -> bool:
        """Whether the release is below `OLDEST_SUPPORTED`."""
        return self.numbers[:2] < OLDEST_SUPPORTED


def running_kernel() -> Kernel:
    """The kernel underneath, by uname(2)."""
    name = os.uname()
    return Kernel(release=name.release, build=name.version, machine=name.machine)
