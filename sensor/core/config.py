# SPDX-License-Identifier: Apache-2.0
"""
Everything that can be set, read once; objects get the part that concerns them.

Values come from the command line; the two that only tests and strange kernels
need also from the environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

FEATURES_VARIABLE = "SCOUT_FEATURES"
OFFSETS_VARIABLE = "SCOUT_OFFSETS"
SOCKET = Path("/run/scout/scout.sock")
"""Where a running sensor answers its own user (`sensor.health.localsocket`)."""
CACHE = Path("/var/cache/scout")
"""The place of the file hierarchy standard for data that can be made again."""
OUTPUTS = ("auto", "text", "json")
_MAX_PORT = 65_535
_MAX_WAIT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelConfig:
    """How the kernel side is brought up."""

    features: str = "all"
    """``all`` of what the kernel offers, or ``oldest``: what 4.14 has. Only tests want less than all."""

    offsets: Path | None = None
    """An offset table given by hand, instead of BTF and headers. It is proven at start like any other."""

    strict: bool = False
    """Refuse to start when a probe cannot be loaded, instead of going on without that event kind."""

    loader_timeout_s: float = 120.0
    """How long compiling may take: one second here, minutes in an emulated machine. Beyond it the start fails with what clang said."""

    cache: Path | None = CACHE
    """Where the compiled probes are kept for the next start, 150 KB; None keeps nothing. A folder that cannot be written is left alone."""

    dump: str = ""
    """Folder for the programs' instructions; tests of their size read it."""

    def __post_init__(self) -> None:
        if self.features not in {"all", "oldest"}:
            raise UsageError(f"no feature level is called {self.features!r}", hint="use all or oldest")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """Whether and how the API server is asked for pods."""

    wanted: bool = False
    """Look for a cluster: the kubeconfig below, else the pod's own identity, else KUBECONFIG."""

    kubeconfig: Path | None = None
    """Its current context is used."""

    insecure: bool = False
    """Take a kubeconfig whose server does not prove who it is."""

    containerd_state: Path | None = None
    """Where containerd keeps its state; None: where it usually does."""

    wait_s: float = 2.0
    """How long a match may wait for the names of its pod and container; 0 tells it at once, with what is known."""

    def __post_init__(self) -> None:
        if not 0 <= self.wait_s <= _MAX_WAIT_S:
            raise UsageError(f"{self.wait_s:g} seconds is no time to wait for names", hint=f"use 0 to {_MAX_WAIT_S}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What ``scout run``, ``record`` and ``replay`` are told."""

    rules: tuple[Path, ...] = ()
    """Rule files and folders, in order, later ones overriding; empty: the managed rules."""

    policy: Path | None = None
    """Ruleset documents; None: the built-in policy, every rule, log."""

    output: str = "auto"
    """``text`` for people, ``json`` a line each; ``auto``: text on a terminal, else JSON."""

    host_in_scope: bool = True
    """Whether acts outside containers are judged."""

    status_address: str = "127.0.0.1"
    """Where /metrics, /healthz and /readyz are served."""

    status_port: int = 0
    """Their port; 0 serves nothing."""

    status_socket: Path | None = SOCKET
    """Where ``scout support`` and ``scout rules status`` ask; None serves nothing there. A place that is taken or not fit costs a line in the log."""

    node: str = ""
    """Name of the node in findings; empty: the host's name."""

    watch: bool = True
    """Load rules and policy anew when their files change (SIGHUP always does)."""

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    kernel: KernelConfig = field(default_factory=KernelConfig)

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise UsageError(f"no output is called {self.output!r}", hint=f"use one of {', '.join(OUTPUTS)}")
        if not 0 <= self.status_port <= _MAX_PORT:
            raise UsageError(f"{self.status_port} is not a port", hint="use 1 to 65535, or 0 for none")


def kernel_from(
    environment: Mapping[str, str], *, strict: bool = False, offsets: Path | None = None, features: str = "", dump: str = "", cache: bool = True
) -> KernelConfig:
    """The kernel side's configuration: what was given by hand wins over the environment."""
    table = offsets or (Path(environment[OFFSETS_VARIABLE]) if environment.get(OFFSETS_VARIABLE) else None)
    level = features or environment.get(FEATURES_VARIABLE) or "all"
    return KernelConfig(features=level, offsets=table, strict=strict, dump=dump, cache=CACHE if cache else None)
