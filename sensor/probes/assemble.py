# SPDX-License-Identifier: Apache-2.0
"""
Join the BPF sources into one unit.

BCC rewrites only the main buffer, so whatever touches a map is spliced in as
text: the prelude, then the probes asked for, each behind a ``#line`` that lets
clang name the right file. Plain helpers stay headers. One unit of all probes
compiles several times faster than a unit each.
"""

from __future__ import annotations

import hashlib
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sensor.probes.features import Features

HEADERS = ("gen_events.h", "gen_tables.h", "limits.h", "compat.h", "arch.h", "read.h", "task.h", "masks.h", "scratch.h", "path.h")
PRELUDE = ("maps.c", "{emit}", "classify.c", "flow.c", "identity.c")

THREAD_BYTES = 16384
"""Size of a kernel stack: THREAD_SIZE of x86-64 and of arm64 with 4 KiB pages, without KASAN. The agent proves it on itself."""
PT_REGS_BYTES = {"x86_64": 168, "aarch64": 336}
"""sizeof(struct pt_regs), which lies at the stack's top."""


def unit(bpf: Path, probes: Iterable[str], *, ringbuf: bool) -> str:
    """The text of the unit with the named probes; *bpf* is the folder with include, prelude and probes."""
    parts = [f'#include "{name}"\n' for name in HEADERS]
    emit = "emit_ringbuf.c" if ringbuf else "emit_perf.c"
    files = [bpf / "prelude" / name.format(emit=emit) for name in PRELUDE]
    files += [bpf / "probes" / f"{name}.c" for name in probes]
    for path in files:
        parts.append(f'#line 1 "bpf/{path.parent.name}/{path.name}"\n')
        parts.append(path.read_text())
    return "".join(parts)


def flags(bpf: Path, features: Features, offsets: Iterable[str], *, subsys: int | None, id_mask: int, stack_gap_bytes: int = 0) -> tuple[str, ...]:
    """
    The compiler's flags.

    Args:
        bpf: folder of the sources.
        features: what the kernel offers.
        offsets: ``-DOFF_…`` flags.
        subsys: index in ``css_set.subsys`` of the v1 controller that names workloads, or None for cgroup v2.
        id_mask: bits of ``kernfs_node.id`` that are the id user space sees.
        stack_gap_bytes: room the kernel leaves above the registers (16 with FRED on x86-64).
    """
    machine = platform.machine()
    registers_at = THREAD_BYTES - PT_REGS_BYTES.get(machine, 0) - stack_gap_bytes
    result = [f"-I{(bpf / 'include').resolve()}", f"-DPT_REGS_AT={registers_at}", f"-DCGROUP_ID_MASK={id_mask:#x}ull", *features.flags(), *offsets]
    if subsys is not None:
        result.append(f"-DCGROUP_SUBSYS={subsys}")
    if machine == "aarch64":
        result.append("-DSCOUT_ARM64=1")
    return tuple(result)


def sources_hash(bpf: Path) -> str:
    """A hash over every source, so that reports can name the probes they came from."""
    digest = hashlib.sha256()
    for path in sorted((*bpf.rglob("*.c"), *bpf.rglob("*.h"))):
        digest.update(path.relative_to(bpf).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
