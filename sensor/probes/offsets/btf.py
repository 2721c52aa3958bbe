# SPDX-License-Identifier: Apache-2.0
"""Offsets from the kernel's own description of its types: the first and best source, about 20 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.adapters.btf import VMLINUX_BTF, Btf
from sensor.core.errors import OffsetsUnknown
from sensor.probes.offsets.model import Answer, label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sensor.probes.offsets.wanted import Wanted


def from_btf(wanted: Sequence[Wanted], path: Path = VMLINUX_BTF) -> Answer:
    """
    Ask BTF for every member.

    Raises:
        OffsetsUnknown: the kernel shows no BTF.
        KernelUnsupported: the file is not BTF, or libbpf is missing.
    """
    if not path.is_file():
        raise OffsetsUnknown(f"btf: this kernel has no {path}")
    with Btf(path) as btf:
        members = {label(item): value for item in wanted if (value := _first(btf, item)) is not None}
    return Answer(source=f"btf:{path}", members=members)


def _first(btf: Btf, item: Wanted) -> int | None:
    for spelling in item.spellings:
        value = btf.offset(item.struct, spelling)
        if value is not None:
            return value
    return None
