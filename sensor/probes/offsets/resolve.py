# SPDX-License-Identifier: Apache-2.0
"""
Ask the sources in their order, and take the first whole answer.

BTF describes exactly the kernel that runs; headers are those it was built with;
a table is what somebody wrote down. Sources are never mixed: an answer is
complete and plausible (`sensor.probes.offsets.model`) or the next source is
asked, and when none is left the refusal says why for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from sensor.adapters.btf import VMLINUX_BTF
from sensor.core.errors import DocumentError, KernelUnsupported, OffsetsUnknown
from sensor.core.kernel import Kernel, running_kernel
from sensor.probes.offsets.btf import from_btf
from sensor.probes.offsets.headers import KHEADERS, MODULES, from_headers
from sensor.probes.offsets.model import Answer, Offsets, check, label
from sensor.probes.offsets.tables import from_file, from_tables
from sensor.probes.offsets.tracepoints import find_tracefs, read_offsets
from sensor.probes.offsets.wanted import WANTED, WANTED_TRACEPOINTS, Wanted, WantedTracepoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SOURCES = ("btf", "headers", "tables")
"""The order in which sources are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the sources are; tests and containers with the host's files elsewhere pass others."""

    btf: Path = VMLINUX_BTF
    """The kernel's BTF."""

    modules: Path = MODULES
    """The folder with ``RELEASE/build``."""

    kheaders: Path = KHEADERS
    """The kernel's own archive of its headers."""

    tables: Path | None = None
    """The folder of offset tables (`sensor.core.paths.DataRoot.offsets`); ``None`` when there is none."""

    table_file: Path | None = None
    """A table named by hand (``--offsets FILE``): it alone is asked."""

    tracefs: Path | None = field(default_factory=find_tracefs)
    """Where tracefs is; without it no tracepoint can be attached."""


def resolve(
    wanted: Sequence[Wanted] = WANTED,
    source_order: Sequence[str] = SOURCES,
    *,
    tracepoints: Sequence[WantedTracepoint] = WANTED_TRACEPOINTS,
    places: Places | None = None,
    kernel: Kernel | None = None,
) -> Offsets:
    """
    Find every wanted offset.

    Args:
        wanted: the members of structures.
        source_order: which of `SOURCES` to ask, in which order.
        tracepoints: the members of tracepoint records; these come from tracefs whatever the source.
        places: where to look.
        kernel: which kernel tables and headers have to be of; the running one.

    Raises:
        OffsetsUnknown: no source has them all; the message names what each lacks.
        KernelUnsupported: tracepoints are wanted and tracefs is not mounted.
        DocumentError: the table named by hand has mistakes.
    """
    places = places or Places()
    kernel = kernel or running_kernel()
    if tracepoints and places.tracefs is None:
        raise KernelUnsupported("tracefs is not mounted, or not to be read by this user", hint="mount -t tracefs nodev /sys/kernel/tracing")
    record_offsets = read_offsets(places.tracefs, tracepoints) if places.tracefs else {}
    refused: list[str] = []
    for ask in _questions(wanted, source_order, places, kernel):
        try:
            answer = ask()
            members = check(answer, wanted)
        except (OffsetsUnknown, KernelUnsupported, DocumentError) as error:
            if places.table_file is not None:
                raise
            refused.append(str(error))
            continue
        return Offsets(
            source=answer.source,
            members=members,
            tracepoints=record_offsets,
            missing_optional=tuple(label(item) for item in wanted if item.macro not in members),
            refused_sources=tuple(refused),
        )
    raise OffsetsUnknown(
        "no source knows where this kernel keeps what the probes read:\n  " + "\n  ".join(refused),
        hint="a kernel with BTF (CONFIG_DEBUG_INFO_BTF), its headers (apt-get install linux-headers-$(uname -r), modprobe kheaders), "
        "or an offset table (kernels/offsets/README.md) is needed",
    )


def _questions(wanted: Sequence[Wanted], order: Sequence[str], places: Places, kernel: Kernel) -> list[Callable[[], Answer]]:
    if places.table_file is not None:
        return [partial(from_file, places.table_file, kernel, by_hand=True)]
    questions: dict[str, Callable[[], Answer]] = {
        "btf": partial(from_btf, wanted, places.btf),
        "headers": partial(from_headers, wanted, kernel.release, modules=places.modules, kheaders=places.kheaders),
        "tables": partial(from_tables, places.tables, kernel),
    }
    return [questions[name] for name in order]
