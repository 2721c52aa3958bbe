# SPDX-License-Identifier: Apache-2.0
"""From an act to the line about it: idle, beside a paced load, beside loads that take all they can get."""

from __future__ import annotations

import contextlib
import os
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import accounts, loads
from tests.bench.sensors import act

if TYPE_CHECKING:
    from tests.bench.loads import Load
    from tests.bench.sensors import Running

PACED_PER_S = 100_000
_WARM_UP_S = 0.5
_LATE_S = 1.5
"""A line that comes later than this behind the last act counts as not seen, once the sensor has nothing left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What else goes on."""

    name: str
    title: str
    processes: int = 0
    per_second: int = 0


SETTINGS = (
    Setting(name="idle", title="idle"),
    Setting(name="paced", title="beside 100,000 opens/s", processes=1, per_second=PACED_PER_S),
    Setting(name="unpaced", title="beside one unpaced opener", processes=1),
    Setting(name="everywhere", title="beside one on every core", processes=len(os.sched_getaffinity(0))),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What became of the acts."""

    acts: int
    ms: tuple[float, ...]
    """Of those seen, sorted."""
    lost: dict[str, int]
    """Meanwhile, by the sensor's own counters."""

    @property
    def seen(self) -> int:
        """How many acts made their line."""
        return len(self.ms)

    def percentile_ms(self, share: float) -> float:
        """Return the latency that *share* of the acts seen stay within; not a number when none was seen."""
        if not self.ms:
            return float("nan")
        return self.ms[min(len(self.ms) - 1, int(len(self.ms) * share))]


def measure(running: Running, setting: Setting, load: Load, acts: int) -> Latency:
    """Do *acts* marked acts, 20 to 60 ms apart so that they meet no rhythm, beside the setting's load."""
    since, lost_before = running.output.stat().st_size, running.lost()
    with loads.beside(load, processes=setting.processes, per_second=setting.per_second) if setting.processes else contextlib.nullcontext():
        time.sleep(_WARM_UP_S)
        done = []
        for _ in range(acts):
            done.append(act())
            time.sleep(random.uniform(0.02, 0.06))
        time.sleep(_LATE_S)
        accounts.settle(running.pid, most_s=5.0)
        seen = running.seen(since)
    lost = {reason: count - lost_before.get(reason, 0) for reason, count in running.lost().items()}
    ms = sorted((seen[mark] - before_ns) / 1e6 for mark, before_ns in done if mark in seen)
    return Latency(acts=acts, ms=tuple(ms), lost={reason: count for reason, count in lost.items() if count})
