# SPDX-License-Identifier: Apache-2.0
"""
The composition root: builds every object and runs the agent's one loop.

The loop is woken, by frames, signals, changed files or a window that closes,
and never polls. Its order of work: the reserved lane first, then the common
one, then everything else. An error in one event is counted and said once; the
loop goes on.

It is long because each part of the agent is made, woken and let go in this one place.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.adapters.inotify import Watch
from sensor.core.clock import RealClock
from sensor.core.counters import Count, Counters, render
from sensor.core.errors import DocumentError, FrameError, FrameTooShort, ScoutError, UnknownEventKind
from sensor.core.log import logger
from sensor.engine.aggregate import Aggregator
from sensor.engine.findings import FindingBuilder, FindingContext
from sensor.engine.redact import RedactConfig, Redactor
from sensor.events.common import Lane
from sensor.events.decode import decode
from sensor.events.dimensions import Profile
from sensor.health.state import Health, ProbeStatus
from sensor.naming import find_names
from sensor.pipeline import Pipeline
from sensor.probes.programs import PROBES
from sensor.reloading import Reloader
from sensor.rules_in_force import RulesInForce, load_documents, statuses
from sensor.sinks.jsonlines import JsonLinesSink
from sensor.sinks.text import TextSink, wants_colour
from sensor.status import Status
from sensor.workloads import cgroups
from sensor.workloads.around import LiveAround
from sensor.workloads.table import WorkloadTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.core.config import RunConfig
    from sensor.core.paths import DataRoot
    from sensor.core.ports import Sink
    from sensor.recording.record import Recorder
    from sensor.startup import Startup

CANARY_PERIOD_S = 60.0
"""How often the agent's own acts are repeated; `/readyz` is about the last round."""

SETTLE_S = 0.2
"""Quiet time after a file changed before rules are loaded: editors and the kubelet write several."""

SETTLE_MOST_S = 2.0
"""Longest wait for that quiet: files that change all the time keep no rules from being loaded."""

_SHOWN_WORDS = 1500
"""Characters of clang's or the verifier's words that are shown: the end, where the reason is."""

_COLLECT = (20_000, 20, 50)
"""Allocations between collections: a finding makes some hundred objects and hardly a cycle; 700, the default, would collect at every third."""

_LOGGED_FAILURES = 100
"""Failures of rules and events that are logged one by one in a canary's period; all are counted."""


def make_sink(config: RunConfig, counters: Counters) -> Sink:
    """The sink on descriptor 1: text for people on a terminal, JSON lines otherwise."""
    is_terminal = os.isatty(1)
    if config.output == "text" or (config.output == "auto" and is_terminal):
        return TextSink(1, counters, colour=wants_colour(is_terminal=is_terminal, environment=os.environ))
    return JsonLinesSink(1, counters)


def boot_id() -> str:
    """This boot's id; recordings carry theirs."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class Agent:
    """One running sensor."""

    def __init__(
        self, config: RunConfig, data: DataRoot, startup: Startup, *, log: Callable[[], str] = str, record: Callable[[Agent], Recorder] | None = None
    ) -> None:
        """
        Bring everything up; when this returns, acts become findings.

        Args:
            config: what the command line said.
            data: where probes and rules are.
            startup: the kernel side, being loaded.
            log: gives the log's last lines.
            record: makes the recorder when frames are to be recorded as well.

        Raises:
            ScoutError: it cannot run here; nothing is attached then.
        """
        self._log = logger("agent")
        self._config = config
        self._managed = data.rules
        self.clock = RealClock()
        self.counters = Counters()
        self.health = Health()
        self._failures = 0
        self._stop = False
        self._changed_at_ns: int | None = None
        self._reload_at_ns: int | None = None
        self._canary_at_ns = 0
        self.ruleset, policy = load_documents(config, data.rules)
        self._names = find_names(config.cluster, node=config.node, clock=self.clock, counters=self.counters, health=self.health, environment=os.environ)
        self.kernel = startup.finish(self.clock, self._perf_lost)
        try:
            self._bring_up(policy, record, log)
        except BaseException:
            self.kernel.close()
            raise

    def _bring_up(self, policy: Any, record: Callable[[Agent], Recorder] | None, log: Callable[[], str]) -> None:  # noqa: ANN401  # engine.decide.Policy
        kernel, config = self.kernel, self._config
        for probe in PROBES:
            why = kernel.session.failed.get(probe.name, "")
            self.health.probe(probe.name, ProbeStatus(not why, why[-_SHOWN_WORDS:]))
            if why:
                self._log.error("a probe is missing", probe=probe.name, why=why.partition("\n")[0], words=why[-_SHOWN_WORDS:])
        self.health.expect(kernel.canaries.expected())
        self.counters.attach_kernel(kernel.session.losses, self._flooded)
        self._finder = cgroups.PathFinder(kernel.hierarchy.mount_point)
        gone = cgroups.Removal(kernel.hierarchy)
        self.workloads = WorkloadTable(self.counters, resolve=self._finder, named=self._names.named, gone=gone, learned=self._learned)
        self.workloads.load(cgroups.scan(kernel.hierarchy.mount_point, counters=self.counters))
        self._around = LiveAround(self.counters, self.clock)
        context = FindingContext(boot_id=boot_id(), clock=self.clock, redactor=Redactor(RedactConfig()), node=config.node or os.uname().nodename)
        self._builder = FindingBuilder(context)
        self.rules = RulesInForce(kernel, self._rule_failed, host_in_scope=config.host_in_scope)
        self._sink = make_sink(config, self.counters)
        self.pipeline = Pipeline(
            match=self.rules.match,
            policy=policy,
            builder=self._builder,
            aggregator=Aggregator(self.clock),
            sinks=(self._sink,),
            counters=self.counters,
            failed=self._failed,
        )
        self._names.start(self.workloads, self.pipeline, partial(self._guarded, partial(self.pipeline.handle, late=True)))
        for warning in self.ruleset.warnings:
            self._log.warning(str(warning))
        installed = self.rules.install(self.ruleset)
        waiting = kernel.prove(installed)
        for kind, lane in kernel.canaries.seen:
            self.health.seen(kind, lane.name.lower())
        self.health.set_rules(statuses(self.ruleset, kernel.kinds, has_names=self._names.are_told))
        self._recorder = record(self) if record else None
        self._watch = Watch(self._watched()) if config.watch else None
        self._reloader = Reloader(lambda: load_documents(self._config, self._managed))
        self._status = self._answer(log)
        self._frames(waiting)
        self._canary_at_ns = self.clock.monotonic_ns() + int(CANARY_PERIOD_S * 1e9)

    def _answer(self, log: Callable[[], str]) -> Status:
        return Status(
            self._config,
            health=self.health,
            counters=self.counters,
            clock=self.clock,
            rules_hash=self.ruleset.hash,
            configuration=self.configuration,
            log=log,
            workloads=self._names.listing,
        )

    def configuration(self) -> dict[str, object]:
        """What it was told and what it runs with, as JSON has it; for a bug report."""
        kernel, installed = self.kernel, self.rules.installed
        rules = {"hash": self.ruleset.hash, "rules": len(self.ruleset.rules), "clauses": {kind: len(clauses) for kind, clauses in self.ruleset.clauses.items()}}
        return {
            "told": asdict(self._config),
            "rules": {**rules, "generation": installed.number if installed else 0},
            "policy": self.pipeline.policy.name,
            "kernel": {
                "probes": list(kernel.kinds),
                "transport": self._transport(),
                "features": asdict(kernel.features),
                "offsets": kernel.offsets.source,
                "cgroups": f"{kernel.hierarchy.mode.value} {kernel.hierarchy.controller}".strip(),
                "compiled": kernel.session.kept or "at this start",
                "instructions": kernel.session.instructions,
            },
        }

    def _transport(self) -> str:
        return "ring buffer" if self.kernel.features.ringbuf else "perf buffer"

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then drain, tell the counts, and detach everything."""
        gc.collect()
        gc.freeze()  # what start-up made stays for good: the collector need not walk it, nor touch its pages, while an act waits
        gc.set_threshold(*_COLLECT)
        calls: dict[int, Callable[[], object]] = dict.fromkeys(self.kernel.stream.epoll_fds, self._drain)
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda _number, _frame: None)
        calls[wake_read] = lambda: self._signals(os.read(wake_read, 64))
        calls[self._reloader.fd] = self._reloaded
        if self._watch:
            calls[self._watch.fd] = self._changed
        calls |= self._names.calls()
        poll = select.epoll(flags=select.EPOLL_CLOEXEC)
        for fd in calls:
            poll.register(fd, select.EPOLLIN)
        self._log.info(
            "watching",
            rules=len(self.ruleset.rules),
            probes=list(self.kernel.kinds),
            transport=self._transport(),
        )
        try:
            while not self._stop:
                for fd, _ready in poll.poll(self._timeout_s()):
                    calls[fd]()
                self._due()
        finally:
            signal.set_wakeup_fd(before)
            poll.close()
            os.close(wake_read)
            os.close(wake_write)
            self.close()

    def close(self) -> None:
        """Detach, take what is still in the kernel's buffers, report what was held back, and let go of everything."""
        try:
            self.kernel.session.detach()  # first, or a flood would never let the buffers run empty
            while frames := self.kernel.stream.take():
                self._frames(frames)
            self._names.finish()
            self.pipeline.finish()
            self._sink.close()
            self._status.close()
            if self._recorder:
                self._recorder.finish({reason: sum(values) for reason, values in self.kernel.session.losses().items()})
        finally:
            self._tell_counts()
            self.counters.attach_kernel(None)
            if self._watch:
                self._watch.close()
            self._names.close()
            self._around.close()
            self._reloader.close()
            self._finder.close()
            self.kernel.close()

    def _tell_counts(self) -> None:
        with suppress(OSError):  # nobody may be reading any more
            sys.stderr.write(render(self.counters.snapshot()))
            sys.stderr.flush()

    def _timeout_s(self) -> float:
        now = self.clock.monotonic_ns()
        moments = [moment for moment in (self.pipeline.next_due_ns(), self._names.next_due_ns(), self._reload_at_ns, self._canary_at_ns) if moment is not None]
        return max(0.0, (min(moments) - now) / 1e9)

    def _due(self) -> None:
        now = self.clock.monotonic_ns()
        self._names.due()
        self.pipeline.tell_due()
        if self._reload_at_ns is not None and now >= self._reload_at_ns:
            self._reload_at_ns = self._changed_at_ns = None
            self.reload()
        if now >= self._canary_at_ns:
            self._canary_at_ns = now + int(CANARY_PERIOD_S * 1e9)
            self._failures = 0
            self.clock.resync()
            self._builder.resync()
            self._act()

    def _act(self) -> None:
        """Repeat the agent's own acts. One of the round before that never came back: the agent is not ready until it does."""
        if self.kernel.canaries.missing():
            self.health.expect(self.kernel.canaries.expected())
        self.kernel.canaries.seen.clear()
        try:
            self.kernel.canaries.act()
        except OSError as error:  # no process left to start, a file that was cleared away
            self.health.degrade("canaries", f"acts of the agent's own cannot be done: {error}")
        else:
            self.health.recover("canaries")

    def _drain(self) -> None:
        """Handle one batch: under a flood the loop must come round to signals and files, too; what is left wakes it at once."""
        self._frames(self.kernel.stream.take())

    def _frames(self, frames: Any) -> None:  # noqa: ANN401  # any iterable of bytes
        for frame in frames:
            self._guarded(self._frame, frame)

    def _guarded(self, handle: Callable[[Any], None], what: Any) -> None:  # noqa: ANN401  # a frame, or an event that has waited
        try:
            handle(what)
        except Exception as error:  # noqa: BLE001  # one of the loop's places: an event must not end the agent
            self.counters.add(Count.ENGINE_EVENT_FAILED)
            self._failed("an event could not be handled", error)

    def _frame(self, frame: bytes) -> None:
        try:
            event = decode(frame)
        except FrameTooShort:
            self.counters.add(Count.DECODE_TOO_SHORT)
            return
        except UnknownEventKind:
            self.counters.add(Count.DECODE_UNKNOWN_KIND)
            return
        except FrameError:
            self.counters.add(Count.DECODE_DAMAGED)
            return
        if self.kernel.take_canary(event, self.rules.canaries(event.generation)):
            self.health.seen(event.kind_name, Lane(event.lane).name.lower())
            return
        if event.tgid == self.kernel.agent_tgid:
            return
        self.counters.event(event.kind_name, "reserved" if event.lane else "common")
        if self._recorder:
            self._recorder.frame(frame, event.lane, self.clock.monotonic_ns())
        if event.kind_name == "exit":
            self._around.processes.gone(event.tgid, event.start_ns)
            return
        event.workload = self.workloads.lookup(event)
        event.around = self._around
        if event.kind_name == "exec" and event.ret >= 0 and self.ruleset.wants_images:
            self._around.processes.learn(event)
        self._names.handle(event)

    def _learned(self, cgroup_id: int, profile: Profile) -> None:
        """The kernel is told what a cgroup is, so that its next act is judged by what it can match."""
        try:
            if profile is Profile.UNKNOWN:
                self.kernel.session.forget_profile(cgroup_id)
            else:
                self.kernel.session.set_profile(cgroup_id, profile)
        except OSError:
            self.counters.add(Count.WORKLOADS_NOT_LOADED)

    def _flooded(self) -> dict[str, int]:
        paths = dict(self.workloads.paths())
        return {
            os.fsdecode(paths.get(cgroup_id, b"")) or (f"cgroup {cgroup_id}" if cgroup_id else "workloads not known yet"): count
            for cgroup_id, count in self.kernel.session.flooded().items()
        }

    def _perf_lost(self, count: int) -> None:
        self.counters.add(Count.STREAM_PERF_LOST, count)

    def _rule_failed(self, rule: str, error: Exception) -> None:
        self.counters.add(Count.ENGINE_RULE_FAILED)
        self._failed(f"rule {rule} failed", error)

    def _failed(self, what: str, error: Exception) -> None:
        self._failures += 1
        if self._failures <= _LOGGED_FAILURES:
            self._log.error(what, error=f"{type(error).__name__}: {error}")

    def _changed(self) -> None:
        if self._watch and self._watch.drain():
            now = self.clock.monotonic_ns()
            self._changed_at_ns = self._changed_at_ns or now
            self._reload_at_ns = min(now + int(SETTLE_S * 1e9), self._changed_at_ns + int(SETTLE_MOST_S * 1e9))

    def _watched(self) -> list[Path]:
        return [*(self._config.rules or (self._managed,)), *([self._config.policy] if self._config.policy else [])]

    def _signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number in {signal.SIGTERM, signal.SIGINT}:
                self._stop = True
            elif number == signal.SIGHUP:
                self.reload()
            elif number == signal.SIGUSR1:
                self._tell_counts()

    def reload(self) -> None:
        """Begin to load rules and policy anew; frames are handled meanwhile."""
        if self._watch:
            self._watch.renew(self._watched())  # before they are read: what changes meanwhile is read again
        self._reloader.start()

    def _reloaded(self) -> None:
        """Put in force what was loaded; with a mistake, what is in force stays."""
        outcome = self._reloader.take()
        try:
            if outcome.loaded is None:
                raise outcome.error or ScoutError("nothing was loaded")  # noqa: TRY301  # told below, like what install() raises
            ruleset, policy = outcome.loaded
            self.rules.install(ruleset)
        except DocumentError as error:
            self.health.degrade("rules", str(error))
            self._log.error("the new rules have mistakes; the ones before stay in force", mistakes=[str(problem) for problem in error.problems] or [str(error)])
            return
        except ScoutError as error:
            self.health.degrade("rules", str(error))
            self._log.error("the new rules cannot be installed; the ones before stay in force", why=str(error))
            return
        except Exception as error:  # noqa: BLE001  # another of the loop's places: a file must not end the agent
            self.health.degrade("rules", f"{type(error).__name__}: {error}")
            self._failed("the new rules cannot be loaded; the ones before stay in force", error)
            return
        self.ruleset = ruleset
        self.pipeline.policy = policy
        self.health.recover("rules")
        self.health.set_rules(statuses(ruleset, self.kernel.kinds, has_names=self._names.are_told))
        self._log.info("rules loaded anew", rules=len(ruleset.rules), generation=self.rules.installed.number if self.rules.installed else 0)
