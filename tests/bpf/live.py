# SPDX-License-Identifier: Apache-2.0
"""
One running kernel side, and how tests ask it.

An act is done, then a *fence*: an act of our own in both lanes. When the fence
has come back, everything before it has, too, so "nothing came" needs no wait.
Deadlines are only for what is broken; ``SCOUT_SLOW`` stretches them in
emulated machines and makes the long runs shorter there.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sensor.core.clock import RealClock
from sensor.core.config import KernelConfig, kernel_from
from sensor.core.paths import find_data
from sensor.events.common import MAX_ANCESTORS, FrameFlag, Lane
from sensor.events.decode import decode
from sensor.events.dimensions import Clause, Constraint, Dimension, Outcome, PathPattern
from sensor.probes.session import Buckets
from sensor.startup import Startup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

SLOW = float(os.environ.get("SCOUT_SLOW") or 1)
DEADLINE_S = 10.0 * SLOW
WIDE = Buckets(rate_per_s=(1_000_000, 1_000_000), burst=(1_000_000, 1_000_000))
"""Buckets that no test empties by chance."""


def fewer(count: int) -> int:
    """How many of *count* rounds an emulated machine does."""
    return max(20, int(count / SLOW))


def clause(kind: str, *constraints: Constraint, exact: bool = False, high: bool = False) -> Clause:
    """One clause; its rule's name does not matter here."""
    return Clause(kind=kind, constraints=constraints, rules=("test",), exact=exact, high=high)


def is_(dimension: Dimension, *values: Any) -> Constraint:
    """*dimension* has one of *values*."""
    return Constraint(dimension, values)


def not_(dimension: Dimension, *values: Any) -> Constraint:
    """*dimension* has none of *values*."""
    return Constraint(dimension, values, negated=True)


def exactly(path: str | bytes | os.PathLike) -> PathPattern:
    """The path itself."""
    return PathPattern(os.fsencode(path), exact=True)


def below(path: str | bytes | os.PathLike) -> PathPattern:
    """Every path that begins so."""
    return PathPattern(os.fsencode(path), exact=False)


def opened(name: str | bytes, *more: Constraint, **kind: bool) -> Clause:
    """Successful opens of files called *name*; a failed open has no file, so everybody's would match."""
    return clause("open", is_(Dimension.OUTCOME, Outcome.SUCCEEDED), is_(Dimension.LEAF, os.fsencode(name)), *more, **kind)


class FenceLostError(AssertionError):
    """Our own act did not come back: the kernel's buffers were full."""


@dataclass
class Side:
    """A kernel side with its canaries' files, the fence."""

    kernel: Any
    lost: list[int] = field(default_factory=list)
    installed: Any = None
    canaries: dict[int, Mapping[str, int]] = field(default_factory=dict)
    """Table generation → the canaries' bits by kind: a frame may come from the one before."""

    def __post_init__(self) -> None:
        self.poll = select.epoll()
        for fd in self.kernel.stream.epoll_fds:
            self.poll.register(fd, select.EPOLLIN)

    def watch(self, *clauses: Clause) -> None:
        """Make *clauses* the live generation, in their order by kind."""
        by_kind: dict[str, list[Clause]] = {}
        for one in clauses:
            by_kind.setdefault(one.kind, []).append(one)
        self.installed = self.kernel.install(by_kind)
        self.canaries[self.installed.number] = self.installed.canaries

    def fence(self) -> None:
        """Our own act, in both lanes."""
        canaries = self.kernel.canaries
        for lane in Lane:
            (canaries._folder / f"f{canaries._names[lane]}").read_bytes()

    def drain(self, *, timeout_s: float = DEADLINE_S) -> list[Any]:
        """Every event up to now, in the order of their times; the canaries are left out."""
        self.fence()
        open_lanes, events = set(Lane), []
        ends = time.monotonic() + timeout_s
        while open_lanes:
            left_s = ends - time.monotonic()
            if left_s <= 0:
                raise FenceLostError(f"the fence did not come back in {open_lanes}: {self.kernel.session.losses()}")
            self.poll.poll(left_s)
            events += self._take(open_lanes)
        events += self._take(set())  # each CPU has a buffer of its own with perf: what was written to another before the fence
        return sorted(events, key=lambda event: event.ts_ns)

    def take(self) -> list[Any]:
        """What waits now, without a fence."""
        return self._take(set())

    def _take(self, open_lanes: set[Lane]) -> list[Any]:
        events = []
        while frames := self.kernel.stream.take():
            for frame in frames:
                event = decode(frame)
                canary = self.kernel.canaries.take(event, self.canaries.get(event.generation, {}).get(event.kind_name, 0))
                if canary and event.kind_name == "open":
                    open_lanes.discard(Lane(event.lane))
                elif not canary:
                    events.append(event)
        return events

    def until(self, predicate: Callable[[Any], bool], *, timeout_s: float = DEADLINE_S) -> list[Any]:
        """Events until one satisfies *predicate*."""
        ends, events = time.monotonic() + timeout_s, []
        while not any(predicate(event) for event in events):
            left_s = ends - time.monotonic()
            assert left_s > 0, f"no such event in {[(event.kind_name, event.comm) for event in events]}"
            self.poll.poll(left_s)
            events += self._take(set())
        return events

    def after(self, act: Callable[[], Any], *, kind: str = "") -> list[Any]:
        """What came of *act*: events of *kind* (or all but the ends of processes) of our children, of whatever depth."""
        self.drain()
        act()
        return [event for event in self.drain() if (event.kind_name == kind if kind else event.kind_name != "exit") and is_ours(event)]

    def during(self, act: Callable[[], Any], *, kind: str = "") -> list[Any]:
        """As `after`, for acts of which there are more than the kernel's buffers hold: they are emptied meanwhile."""
        self.drain()
        events: list[Any] = []
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(act)
            while not done.done():
                self.poll.poll(0.05)
                events += self._take(set())
            done.result()
        events += self.drain()
        return [event for event in events if (event.kind_name == kind if kind else event.kind_name != "exit") and is_ours(event)]

    def one(self, act: Callable[[], Any], kind: str) -> Any:
        """The one event of *kind* that came of *act*."""
        events = self.after(act, kind=kind)
        assert len(events) == 1, f"{len(events)} events: {[describe(event) for event in events]}"
        return events[0]

    def losses(self) -> dict[str, int]:
        """Reason → frames lost, all CPUs."""
        return {reason: sum(cpus) for reason, cpus in self.kernel.session.losses().items() if any(cpus)}

    def lossless(self, act: Callable[[], list[Any]]) -> list[Any]:
        """
        What *act* returns when nothing was lost meanwhile: it is done again, with the same outcome, while neighbours make us lose frames.

        Their programs may run on our CPU when ours should, and acts in cgroups that nobody named keep every clause and fill the buffers.
        """
        lost: dict[str, int] = {}
        for _ in range(5):
            before = self.losses()
            try:
                found = act()
                self.drain()
            except FenceLostError:
                found = []
            self.take()
            lost = {reason: count - before.get(reason, 0) for reason, count in self.losses().items() if count != before.get(reason, 0)}
            if not lost:
                return found
            assert set(lost) <= {"recursion_miss", "ring_full_common", "ring_full_reserved"}, f"frames are lost: {lost}"
        raise AssertionError(f"frames are lost again and again: {lost}")

    def buckets(self, buckets: Buckets) -> None:
        """Set the token buckets."""
        self.kernel.session.configure(self_tgid=self.kernel.agent_tgid, buckets=buckets)

    def close(self) -> None:
        """Detach."""
        self.poll.close()
        self.kernel.close()


def describe(event: Any) -> dict[str, Any]:
    """An event as a dictionary, for the message of a failed assertion."""
    names = [name for name in event.__slots__ if hasattr(event, name)]
    return {name: getattr(event, name) for name in names if getattr(event, name) not in (0, b"", ())} | {"flags": FrameFlag(event.flags)}


def is_ours(event: Any) -> bool:
    """Whether the process descends from this one; other tests may run on the machine. Of a long chain only the end is known."""
    return event.ancestors_count == MAX_ANCESTORS or any(tgid == os.getpid() for tgid, _ in event.ancestors) or event.kind_name == "flood"


def flags(event: Any) -> FrameFlag:
    """The frame's flags, without the one that depends on where the tests run."""
    return FrameFlag(event.flags) & ~FrameFlag.WORKLOAD_UNKNOWN


def bring_up(config: KernelConfig | None = None, data: Any = None) -> Side:
    """Start a kernel side and prove it."""
    lost: list[int] = []
    kernel = Startup(config or kernel_from(os.environ, strict=True), data or find_data()).finish(RealClock(), lost.append)
    side = Side(kernel, lost)
    side.watch()
    kernel.prove(side.installed)
    side.buckets(WIDE)
    return side


def forms() -> tuple[str, ...]:
    """The forms that live tests run in: what the kernel offers, and what 4.14 would; a guest asks for one at a time."""
    asked = os.environ.get("SCOUT_FEATURES")
    return (asked,) if asked else ("all", "oldest")


def told(text: str) -> dict[str, str]:
    """The driver's words: the last value of every name."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def numbers(words: Mapping[str, str], *names: str) -> tuple[int, ...]:
    """Some of the driver's words as integers."""
    return tuple(int(words[name]) for name in names)


def open_failed(name: str, *more) -> object:
    """Failed opens of processes that are called *name*."""
    return clause("open", is_(Dimension.OUTCOME, Outcome.FAILED), is_(Dimension.COMM, name.encode()), *more)


def checked(event, **expected) -> None:
    """The event's values, its flags among them; a program that unshared its mounts was started from one of the others."""
    expected.setdefault("flags", FrameFlag(0))
    found = {key: flags(event) & ~FrameFlag.EXE_DETACHED if key == "flags" else getattr(event, key) for key in expected}
    assert found == expected, describe(event)


class Driver:
    """The C program that does the acts (tests/drivers/act.c)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, *words: object, **options: Any) -> dict[str, str]:
        """Run it to its end; a bad word is an error, a failing act is not."""
        done = subprocess.run([self.path, *self.words(words)], capture_output=True, text=True, check=False, timeout=DEADLINE_S * 6, **options)
        assert done.returncode != 64, done.stderr
        return told(done.stdout) | {"status": str(done.returncode)}

    @staticmethod
    def words(words: Sequence[object]) -> list[str | bytes]:
        """Arguments as a command line takes them."""
        return [word if isinstance(word, bytes) else str(word) for word in words]

    @contextmanager
    def waiting(self, *words: object) -> Iterator[Waiting]:
        """Run it up to its ``wait``; `Waiting.go` lets it go on."""
        with subprocess.Popen([self.path, *self.words(words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            waiting = Waiting(process)
            try:
                waiting.read()
                yield waiting
            finally:
                with suppress(BrokenPipeError):
                    process.stdin.close()
                process.wait(DEADLINE_S)


class Waiting:
    """A driver that waits for a word."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self.words: dict[str, str] = {}

    def read(self) -> None:
        """Read up to the next ``ready``, or to the end."""
        for line in self.process.stdout:
            name, _, value = line.rstrip("\n").partition("=")
            self.words[name] = value
            if name == "ready":
                return

    def go(self) -> None:
        """Let it go on; it may have come to its end already."""
        with suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def finish(self) -> dict[str, str]:
        """Let it go on to its end."""
        self.go()
        return self.end()

    def end(self) -> dict[str, str]:
        """Wait for its end; it waits for no word any more."""
        self.read()
        self.process.wait(DEADLINE_S)
        return self.words
