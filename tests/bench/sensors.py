# SPDX-License-Identifier: Apache-2.0
"""
A sensor under measurement: started, made to see a marked act, asked, ended.

Its standard output goes through a program that puts the time before each line,
so that every sensor is timed by the same clock, outside of itself.
"""

from __future__ import annotations

import contextlib
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import accounts
from tests.bench.build import HERE, BenchError, build

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = re.compile(rb"MK[0-9a-f]{12}")
_STAMPED = re.compile(rb"^(\d{19}) (.*)$", re.MULTILINE)
_READY_LIMIT_S = 120.0
_BETWEEN_ACTS_S = 0.04
"""While it starts: finer than any figure that is compared, and next to no load."""
_STOP_LIMIT_S = 20.0
_LOST = re.compile(r"^lost\s+([\d,]+)$", re.MULTILINE)
_REASON = re.compile(r"^  (\S+: [a-z][a-z ]*?)\s{2,}([\d,]+)")


@dataclass(slots=True, kw_only=True)
class Sensor:
    """One way to watch, which can be started again and again."""

    name: str
    command: list[str]
    stop_signal: signal.Signals = signal.SIGTERM
    is_counting: bool = False
    """Whether SIGUSR1 makes it write its counters to standard error."""
    ready_word: str = ""
    """Written to standard error when it has come up; for one that is told not to look at our acts."""
    ready_s: list[float] = field(default_factory=list)
    """For each start alone: until the first line about a marked act."""

    @contextlib.contextmanager
    def running(self, *, is_alone: bool = True) -> Iterator[Running]:
        """
        Start it, wait until it sees and has settled; it is ended behind.

        The time it took is kept when it is alone on the machine. Raises BenchError with what it said.
        """
        folder = build()
        output, errors = folder / f"{self.name}.out", folder / f"{self.name}.err"
        with output.open("wb") as out, errors.open("wb") as err:
            stamp = subprocess.Popen([str(folder / "stamp")], stdin=subprocess.PIPE, stdout=out)
            assert stamp.stdin is not None
            started_ns = time.time_ns()
            process = subprocess.Popen(self.command, stdout=stamp.stdin, stderr=err, stdin=subprocess.DEVNULL)
            stamp.stdin.close()
        running = Running(sensor=self, process=process, output=output, errors=errors)
        try:
            ready_s = (running.wait_until_seeing() - started_ns) / 1e9
            if is_alone:
                self.ready_s.append(ready_s)
            accounts.settle(process.pid)
            yield running
        finally:
            running.stop()
            try:
                stamp.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                stamp.kill()
                stamp.wait()


@dataclass(slots=True, kw_only=True)
class Running:
    """A started sensor."""

    sensor: Sensor
    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def wait_until_seeing(self) -> int:
        """Act until a line tells of it; returns that line's time, ns since the epoch."""
        end = time.monotonic() + _READY_LIMIT_S
        while time.monotonic() < end:
            if self.sensor.ready_word:
                if self.sensor.ready_word in self.said():
                    return time.time_ns()
            else:
                act()
                if seen := self.seen():
                    return min(seen.values())
            time.sleep(_BETWEEN_ACTS_S)
            if self.process.poll() is not None:
                raise BenchError(f"{self.sensor.name} ended with {self.process.returncode}:\n{self.said()[-2000:]}")
        raise BenchError(f"{self.sensor.name} saw no act in {_READY_LIMIT_S:.0f} s:\n{self.said()[-2000:]}")

    def seen(self, since_bytes: int = 0) -> dict[bytes, int]:
        """Return each mark's first line about /etc/shadow behind *since_bytes* of the output: mark → its time."""
        with self.output.open("rb") as file:
            file.seek(since_bytes)
            text = file.read()
        found: dict[bytes, int] = {}
        for stamped in _STAMPED.finditer(text):
            if b"/etc/shadow" in stamped[2] and (mark := MARK.search(stamped[2])):
                found.setdefault(mark[0], int(stamped[1]))
        return found

    def said(self) -> str:
        """Return its standard error so far."""
        return self.errors.read_text(errors="replace")

    def lost(self) -> dict[str, int]:
        """Return what it says it lost so far, by reason; empty when nothing. Raises BenchError when it does not answer."""
        if not self.sensor.is_counting:
            return {}
        before = len(self.said())
        self.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + _STOP_LIMIT_S
        while time.monotonic() < end:
            text = self.said()[before:]
            if _LOST.search(text) and text.endswith("\n"):
                return losses(text)
            time.sleep(_BETWEEN_ACTS_S)
        raise BenchError(f"{self.sensor.name} did not answer SIGUSR1 with its counters")

    def stop(self) -> None:
        """End it, by force when it does not end by itself."""
        if self.process.poll() is None:
            self.process.send_signal(self.sensor.stop_signal)
        try:
            self.process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def losses(text: str) -> dict[str, int]:
    """Return the reasons below the line ``lost`` of the sensor's table of counters (`sensor.core.counters.render`)."""
    total = _LOST.search(text)
    if total is None or total[1] == "0":
        return {}
    reasons = {}
    for line in text[total.end() + 1 :].splitlines():
        reason = _REASON.match(line)
        if reason is None:
            break
        reasons[reason[1]] = int(reason[2].replace(",", ""))
    return reasons or {"not told why": int(total[1].replace(",", ""))}


def act() -> tuple[bytes, int]:
    """Open /etc/shadow in a process of its own; returns its mark and the time just before, ns since the epoch."""
    mark = f"MK{random.getrandbits(48):012x}"
    done = subprocess.run([str(build() / "act"), mark], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"the marked act failed: {done.stderr.strip()}")
    return mark.encode(), int(done.stdout)


def _scout_words(command: str) -> list[str]:
    return shlex.split(command) or [str(Path(sys.executable).with_name("scout")), "run", "--output", "json"]


def scout(command: str = "") -> Sensor:
    """Return Scout, as installed beside this Python, or what *command* starts instead."""
    return Sensor(name="scout", command=_scout_words(command), is_counting=not command)


def outside(command: str = "") -> Sensor:
    """Return Scout with the host, and so everything that is measured here, out of its scope."""
    return Sensor(name="outside", command=[*_scout_words(command), "--containers-only"], is_counting=not command, ready_word='"watching"')


def cold() -> Sensor:
    """Return Scout that finds no probes prepared (``scout prepare``, or an earlier start), and compiles them."""
    return Sensor(name="cold", command=[*_scout_words(""), "--no-cache"], is_counting=True)


def floor() -> Sensor:
    """Return the floor."""
    return Sensor(name="floor", command=[sys.executable, str(HERE / "floor.py")], stop_signal=signal.SIGKILL)
