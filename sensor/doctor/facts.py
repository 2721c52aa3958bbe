# SPDX-License-Identifier: Apache-2.0
"""
What can be seen of this node, gathered once for all checks.

Every step may fail, and mostly because the doctor is asked by somebody who is
not root: then the reason is kept in the place of the answer, for the checks to
say. Nothing is attached, mounted or written.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sensor.adapters.bccpackage import BccPackage, find_bcc
from sensor.adapters.btf import libbpf_version
from sensor.core.errors import ScoutError
from sensor.core.kernel import Kernel, running_kernel
from sensor.core.privileges import Privileges, own_privileges, read_text
from sensor.probes.features import Features, detect
from sensor.probes.offsets.resolve import Places, resolve
from sensor.probes.offsets.wanted import WANTED_TRACEPOINTS
from sensor.probes.programs import PROBES
from sensor.workloads import cgroups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.probes.offsets.model import Offsets
    from sensor.workloads.cgroups import Hierarchy

SOCKETS = {
    "containerd": ("run/containerd/containerd.sock", "run/k3s/containerd/containerd.sock"),
    "CRI-O": ("run/crio/crio.sock",),
    "Docker": ("run/docker.sock", "var/run/docker.sock"),
    "Podman": ("run/podman/podman.sock",),
}
"""Where container runtimes listen, below the root."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An answer that could not be had."""

    reason: str
    """Why, in a sentence."""

    fix: str
    """What to do, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracepoints:
    """What tracefs has of what the probes are attached to."""

    mounted_at: str
    """Where tracefs is mounted by /proc/self/mountinfo; empty when it is not."""

    folder: Path | None
    """Where it can be read; ``None`` when it cannot."""

    missing: tuple[str, ...]
    """``probe: category/event, …`` for each hook that has none of its tracepoints here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One node, as far as it can be seen."""

    kernel: Kernel
    privileges: Privileges
    has_btf: bool
    headers: str
    """Where kernel headers are, or empty."""
    offsets: Offsets | Unknown
    features: Features | Unknown
    tracepoints: Tracepoints
    hierarchy: Hierarchy | Unknown
    runtimes: tuple[str, ...]
    """Container runtimes whose socket is there, ``name (path)``."""
    bcc: BccPackage
    libbpf: str
    """The library's version, or empty."""


def gather(places: Places, *, root: Path = Path("/")) -> Facts:
    """
    Look at this node; about 50 ms with BTF, some seconds where headers have to be compiled.

    Args:
        places: where offsets come from; its tracefs is used for the tracepoints too.
        root: where ``proc``, ``sys`` and ``run`` lie; tests pass another.
    """
    kernel = running_kernel()
    return Facts(
        kernel=kernel,
        privileges=own_privileges(root),
        has_btf=places.btf.is_file(),
        headers=_headers(places, kernel),
        offsets=_attempt(lambda: resolve(tracepoints=WANTED_TRACEPOINTS if places.tracefs else (), places=places, kernel=kernel)),
        features=_attempt(lambda: detect(places.tracefs)),
        tracepoints=look_at_tracepoints(places.tracefs, read_text(root / "proc/self/mountinfo") or ""),
        hierarchy=_attempt(lambda: cgroups.detect(proc=root / "proc", host_root=root)),
        runtimes=find_runtimes(root),
        bcc=find_bcc(),
        libbpf=libbpf_version(),
    )


def look_at_tracepoints(tracefs: Path | None, mountinfo: str) -> Tracepoints:
    """Which of the tracepoints that `sensor.probes.programs` names are there."""
    mounts = [line.split(" - ") for line in mountinfo.splitlines() if " - tracefs " in line]
    mounted_at = mounts[0][0].split(" ")[4] if mounts else ""
    return Tracepoints(mounted_at=mounted_at, folder=tracefs, missing=_missing(tracefs) if tracefs else ())


def find_runtimes(root: Path) -> tuple[str, ...]:
    """Container runtimes by their sockets below *root*; what may not be looked at is left out."""
    return tuple(f"{name} (/{path})" for name, paths in SOCKETS.items() for path in _first_present(root, paths))


def _first_present(root: Path, paths: Sequence[str]) -> list[str]:
    def is_there(path: str) -> bool:
        try:
            return (root / path).exists()
        except OSError:
            return False

    return [path for path in paths if is_there(path)][:1]


def _missing(tracefs: Path) -> tuple[str, ...]:
    """Hooks of which no tracepoint is there; one that a feature replaces is that feature's business."""
    hooks = [(probe.name, entry.tracepoints) for probe in PROBES for entry in probe.entries if not entry.needs]
    return tuple(
        f"{name}: {', '.join('/'.join(point) for point in points)}"
        for name, points in hooks
        if not any((tracefs / "events" / category / event).is_dir() for category, event in points)
    )


def _headers(places: Places, kernel: Kernel) -> str:
    build = places.modules / kernel.release / "build"
    if (build / "include").is_dir():
        return str(build)
    return str(places.kheaders) if places.kheaders.is_file() else ""


def _attempt(ask: Callable[[], _T]) -> _T | Unknown:
    try:
        return ask()
    except ScoutError as error:
        return Unknown(reason=str(error), fix=error.hint)
    except OSError as error:
        return Unknown(reason=f"{error.filename}: {error.strerror}", fix="")
