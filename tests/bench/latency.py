# SPDX-License-Identifier: Apache-2.0
"""
From an act to the line about it: idle, beside a paced load, beside loads that take all they can get.

Both sensors are up and take turns, a batch of acts each, so that a machine that
is slow for a while is slow for both; whose turn it is not stands still and costs
the other nothing but its programs.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import accounts, loads
from tests.bench.sensors import act

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.bench.loads import Load
    from tests.bench.sensors import Running

PACED_PER_S = 100_000
_WARM_UP_S = 0.5
_LATE_S = 1.5
"""A line that comes later than this behind the last act counts as not seen."""
BATCH = 20
"""Acts of a turn: a second."""


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


def measure(watching: dict[str, Running], setting: Setting, load: Load, acts: int) -> dict[str, Latency]:
    """Do *acts* marked acts for each sensor, beside the setting's load; returns what became of them, by sensor."""
    since = {name: running.output.stat().st_size for name, running in watching.items()}
    lost_before = {name: running.lost() for name, running in watching.items()}
    done: dict[str, list[tuple[bytes, int]]] = {name: [] for name in watching}
    with loads.beside(load, processes=setting.processes, per_second=setting.per_second) if setting.processes else contextlib.nullcontext():
        time.sleep(_WARM_UP_S)
        for start in range(0, acts, BATCH):
            for name, running in watching.items():
                with _standing_still(other for other in watching.values() if other is not running):
                    done[name] += _batch(running, min(BATCH, acts - start))
        time.sleep(_LATE_S)
        seen = {name: running.seen(since[name]) for name, running in watching.items()}
    return {
        name: Latency(
            acts=acts,
            ms=tuple(sorted((seen[name][mark] - before_ns) / 1e6 for mark, before_ns in done[name] if mark in seen[name])),
            lost=increase(lost_before[name], running.lost()),
        )
        for name, running in watching.items()
    }


def _batch(running: Running, acts: int) -> list[tuple[bytes, int]]:
    """Acts 20 to 60 ms apart, so that they meet no rhythm; what they were, once the sensor has nothing left to do."""
    accounts.settle(running.pid, most_s=5.0)
    done = []
    for _ in range(acts):
        done.append(act())
        time.sleep(random.uniform(0.02, 0.06))
    accounts.settle(running.pid, most_s=5.0)
    return done


@contextlib.contextmanager
def _standing_still(others: Iterable[Running]) -> Iterator[None]:
    stopped = []
    try:
        for running in others:
            running.process.send_signal(signal.SIGSTOP)
            stopped.append(running)
        yield
    finally:
        for running in stopped:
            running.process.send_signal(signal.SIGCONT)


def increase(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return what was counted in between; reasons without any are left out."""
    return {reason: count - before.get(reason, 0) for reason, count in after.items() if count > before.get(reason, 0)}
