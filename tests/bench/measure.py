# SPDX-License-Identifier: Apache-2.0
"""
The measurements themselves: every arm in every round, in turn.

A machine drifts by a sixth within an hour, so what is compared is measured
within one round, and each round begins with another arm. Programs' times are
compared more closely: a busy neighbour doubles them for seconds, so both
sensors watch the same acts, in slices, and the slices' ratios are compared.
They hook other ends of each call and do not meet. Times by the wall are taken
one sensor at a time and without the kernel's account, which costs some itself.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import accounts, latency, loads, programs, sensors, stages
from tests.bench.results import Results, machine, put

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.bench.loads import Load
    from tests.bench.sensors import Running

PARTS = ("wall", "programs", "cpu", "latency", "stages", "rules", "ready", "micro")
ARMS = ("off", "scout", "floor")
_PACED_S = 3.0
_OUTSIDE_ROUNDS = 3
"""Rounds in which Scout also runs with the host out of scope: its CPU is nearly nothing, and as steady."""
_STARTS = 5
_LEAST_ACTS = 100
_SLICES = 10
"""Parts of a workload that both sensors watch, the workloads in turn: a tenth of a second each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured."""

    parts: Collection[str] = PARTS
    rounds: int = 9
    scale: float = 1.0
    acts: int = 100
    """Marked acts per setting of the latencies."""
    sensor: str = ""
    """Command of another sensor than Scout as installed."""


class Sitting:
    """One run of the plan."""

    def __init__(self, plan: Plan, by_name: dict[str, Load]) -> None:
        self.plan = plan
        self.loads = by_name
        self.scout, self.floor = sensors.scout(plan.sensor), sensors.floor()
        self.outside = sensors.outside(plan.sensor)
        self.cold = sensors.cold()
        self.results = Results(rounds=plan.rounds, scale=plan.scale, machine=machine())

    def count(self, load: Load) -> int:
        """Return how many acts of a workload this sitting does."""
        return max(_LEAST_ACTS, int(load.count * self.plan.scale))

    def measure(self) -> Results:
        """Do everything; returns the results."""
        parts = self.plan.parts
        for number in range(self.plan.rounds if {"wall", "programs", "cpu"} & set(parts) else 0):
            started = time.monotonic()
            self._round(number)
            say(f"round {number + 1} of {self.plan.rounds}: {time.monotonic() - started:.0f} s")
        if "latency" in parts:
            with self._both() as (scout, floor):
                self._latency({"scout": scout, "floor": floor})
        if "stages" in parts:
            with self._both() as (scout, floor):
                self.results.stage_ns = stages.measure({"scout": scout.pid, "floor": floor.pid}, self.plan.scale)
        if "rules" in parts:
            from tests.bench import many  # only here: it takes the kernel side along

            self.results.many_ns, self.results.many_left = many.measure(self.loads, self.plan.scale)
        if "ready" in parts:
            self._starts()
        self.results.ready_s = {sensor.name: sensor.ready_s for sensor in (self.scout, self.cold, self.floor)}
        if "micro" in parts:
            from tests.bench import micro  # only here: it takes half the agent along

            self.results.micro_us = micro.measure()
        return self.results

    def _starts(self) -> None:
        """Start each sensor a few times and end it as soon as it sees: Scout with its probes prepared, Scout that compiles them, the floor."""
        for _ in range(_STARTS):
            for sensor in (self.scout, self.floor) if self.plan.sensor else (self.scout, self.cold, self.floor):
                with sensor.running():
                    pass
        say("starts: done")

    def _round(self, number: int) -> None:
        if {"wall", "cpu"} & set(self.plan.parts):
            for place in range(len(ARMS)):
                self._arm(ARMS[(number + place) % len(ARMS)])
        if "programs" in self.plan.parts:
            with self._both() as (scout, floor):
                self._programs({"scout": scout, "floor": floor})
        if "cpu" in self.plan.parts and number < _OUTSIDE_ROUNDS:
            with self.outside.running() as running:
                self._timed(running.pid, "outside", self.loads["fork"])

    def _arm(self, arm: str) -> None:
        if arm == "off":
            for name in self._timed_loads():
                put(self.results.wall_ns, arm, name, loads.run(self.loads[name], self.count(self.loads[name])).wall_ns)
            return
        sensor = self.scout if arm == "scout" else self.floor
        with sensor.running() as running:
            for name in self._timed_loads():
                self._timed(running.pid, arm, self.loads[name])
            if "cpu" in self.plan.parts:
                self._paced(running, arm)
            self.results.memory_mib.setdefault(arm, []).append(accounts.memory_mib(running.pid))
            self._losses(running)

    def _losses(self, running: Running) -> None:
        for reason, count in running.lost().items():
            self.results.lost[reason] = self.results.lost.get(reason, 0) + count

    @contextlib.contextmanager
    def _both(self) -> Iterator[tuple[Running, Running]]:
        with self.scout.running() as scout, self.floor.running(is_alone=False) as floor:
            yield scout, floor

    def _timed_loads(self) -> tuple[str, ...]:
        if "wall" in self.plan.parts:
            return tuple(self.loads)
        return ("open", "fork") if "cpu" in self.plan.parts else ()

    def _timed(self, pid: int, arm: str, load: Load) -> None:
        """Do a workload beside a sensor: its wall time, and the sensor's CPU once the backlog is gone."""
        count, before_ns = self.count(load), accounts.cpu_ns(pid)
        put(self.results.wall_ns, arm, load.name, loads.run(load, count).wall_ns)
        accounts.settle(pid)
        put(self.results.cpu_ns, arm, load.name, (accounts.cpu_ns(pid) - before_ns) / count)

    def _paced(self, running: Running, arm: str) -> None:
        count = int(latency.PACED_PER_S * _PACED_S * min(1.0, self.plan.scale * 3))
        before_ns, started_ns = accounts.cpu_ns(running.pid), time.monotonic_ns()
        loads.run(self.loads["opens"], count, per_second=latency.PACED_PER_S)
        share = 100 * (accounts.cpu_ns(running.pid) - before_ns) / (time.monotonic_ns() - started_ns)
        put(self.results.paced_share, arm, "opens", share)

    def _programs(self, watching: dict[str, Running]) -> None:
        ids = {arm: programs.programs_of(running.pid) for arm, running in watching.items()}
        with programs.accounting():
            for _ in range(_SLICES):
                for load in self.loads.values():
                    for arm, done in programs.during(ids, load, max(_LEAST_ACTS, self.count(load) // _SLICES)).items():
                        put(self.results.program_ns, arm, load.name, programs.total_ns(done))
                        self.results.programs.setdefault(arm, {})[load.name] = {name: (one.runs, one.mean_ns) for name, one in done.items()}
        self._losses(watching["scout"])

    def _latency(self, watching: dict[str, Running]) -> None:
        for setting in latency.SETTINGS:
            for name, measured in latency.measure(watching, setting, self.loads["opens"], self.plan.acts).items():
                self.results.latency.setdefault(name, {})[setting.name] = measured
            say(f"latency {setting.title}: done")


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(text + "\n")


def measure(plan: Plan) -> Results:
    """Carry out a plan. Raises BenchError."""
    with loads.alike_tree() as alike:
        return Sitting(plan, loads.standard(alike)).measure()
