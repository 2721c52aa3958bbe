# SPDX-License-Identifier: Apache-2.0
"""What was measured, before anything is concluded from it; and on which machine."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.latency import Latency

Series = dict[str, dict[str, list[float]]]
"""Arm (``off``, ``scout``, ``floor``, ``outside``: Scout with the host out of scope) → workload → one value per round."""


def median(values: Sequence[float]) -> float:
    """Return the median; not a number when nothing was measured."""
    return statistics.median(values) if values else float("nan")


def put(series: Series, arm: str, name: str, value: float) -> None:
    """Add a round's value."""
    series.setdefault(arm, {}).setdefault(name, []).append(value)


@dataclass(slots=True, kw_only=True)
class Results:
    """The raw measurements of one sitting."""

    rounds: int
    scale: float
    """Part of the full number of acts; below 1 the walls mean little."""
    wall_ns: Series = field(default_factory=dict)
    """Per act, by the wall."""
    program_ns: Series = field(default_factory=dict)
    """Per act, all programs of the sensor."""
    programs: dict[str, dict[str, dict[str, tuple[int, float]]]] = field(default_factory=dict)
    """Arm → workload → program → (runs per act, nanoseconds a run), in the last round."""
    cpu_ns: Series = field(default_factory=dict)
    """Per act, the sensor's processes, its backlog worked off."""
    paced_share: Series = field(default_factory=dict)
    """Share of a core, in %, that the sensor's processes take beside 100,000 opens/s."""
    memory_mib: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    ready_s: dict[str, list[float]] = field(default_factory=dict)
    latency: dict[str, dict[str, Latency]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    """By Scout's own counters, in all its runs beside workloads of acts that no rule matches."""
    stage_ns: dict[str, dict[str, float]] = field(default_factory=dict)
    """Arm → what is opened → program time of an open."""
    many_ns: Series = field(default_factory=dict)
    """Number of rules → workload → all programs' time per act, one value a slice; ``exec`` is the programs of exec alone."""
    many_left: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Number of rules → acts of ordinary work that left the kernel, and all."""
    micro_us: dict[str, float] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)

    def added_ns(self, arm: str, load: str) -> list[float]:
        """Return what an arm adds to an act by the wall, round by round."""
        pairs = zip(self.wall_ns.get(arm, {}).get(load, []), self.wall_ns.get("off", {}).get(load, []), strict=False)
        return [on - off for on, off in pairs]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return asdict(self)


def machine() -> dict[str, str]:
    """Name the machine as far as it matters for the figures."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith(("model name", "CPU part")):
            model = line.partition(":")[2].strip()
            break
    memory_kib = int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1])
    return {
        "processor": f"{model}, {len(os.sched_getaffinity(0))} cores used",
        "memory": f"{memory_kib / 1024 / 1024:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": platform.python_version(),
        "load before": Path("/proc/loadavg").read_text(encoding="utf-8").split()[0],
    }
