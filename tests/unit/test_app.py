# SPDX-License-Identifier: Apache-2.0
"""The agent on a kernel side that is made up; the real one is in tests/bpf/test_agent*.py. Long because the loop has one made-up world for all its branches."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from sensor import app
from sensor.core.clock import FakeClock
from sensor.core.config import RunConfig
from sensor.core.counters import Count
from sensor.core.errors import OffsetsUnknown, TableError
from sensor.core.paths import DataRoot
from sensor.events.dimensions import Profile
from sensor.sinks.jsonlines import JsonLinesSink
from sensor.sinks.text import TextSink
from sensor.workloads.cgroups import Hierarchy, Mode
from tests.unit.frames_factory import make_frame
from tests.unit.ruleset.documents import rule

RULES = rule("evt.type = openat and proc.name = cat", name="of opens")
EVERY = (1 << 256) - 1
S = 10**9
KINDS = ("open", "connect", "exec", "exit")


def opened(**values):
    """A frame of an open that the rule matches."""
    return make_frame(
        "open", **{"syscall": 257, "ret": 3, "comm": b"cat", "path": b"/x", "candidates": EVERY, "generation": 1, "ts_ns": S, "tgid": 10, **values}
    )


class Kernel:
    """A kernel side: frames are put in, and what was asked of it is kept."""

    def __init__(self, folder, failed=()):
        self.calls = []
        self.failed = dict.fromkeys(failed, "clang's words")
        self.kinds = tuple(kind for kind in KINDS if kind not in failed)
        self.hierarchy = Hierarchy(mode=Mode.UNIFIED, mount_point=folder, controller="", whole=True)
        self.features = SimpleNamespace(ringbuf=True)
        self.missing: tuple[str, ...] = ()
        self.agent_tgid = 99
        self.number = 0
        self.refusal = None
        self.frames = []
        self.profiles = {}
        self.canaries = SimpleNamespace(expected=lambda: (("open", "common"),), seen={}, act=self.act, missing=lambda: self.missing)
        self.session = SimpleNamespace(
            failed=self.failed, losses=lambda: {"too_long": (2, 3)}, flooded=dict, detach=lambda: self.calls.append("detach"), set_profile=self.set_profile,
            forget_profile=lambda cgroup_id: self.profiles.pop(cgroup_id, None),
        )  # fmt: skip
        self.stream = SimpleNamespace(epoll_fds=(), take=self.take)

    def act(self):
        self.calls.append("act")

    def set_profile(self, cgroup_id, profile):
        if len(self.profiles) >= 3:
            raise OSError("full")
        self.profiles[cgroup_id] = profile

    def take(self):
        frames, self.frames = tuple(self.frames), []
        self.calls.append(f"take {len(frames)}")
        return frames

    def install(self, clauses):
        if self.refusal:
            raise self.refusal
        self.number += 1
        return SimpleNamespace(number=self.number, clauses=clauses, canaries={"open": 0})

    def prove(self, _installed):
        return []

    def take_canary(self, event, _masks):
        return event.comm == b"canary"

    def close(self):
        self.calls.append("close")


class ListSink:
    name = "list"

    def __init__(self, kernel):
        self.findings = []
        self.kernel = kernel

    def write(self, finding):
        self.findings.append(finding)
        return True

    def close(self):
        self.kernel.calls.append("sink closed")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Make agents on made-up kernel sides."""
    (tmp_path / "cgroups").mkdir()
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    clock = FakeClock(S)
    clock.resync = lambda: 0
    monkeypatch.setattr(app, "RealClock", lambda: clock)

    def make(*, kernel=None, failed=(), **settings):
        kernel = kernel or Kernel(tmp_path / "cgroups", failed)
        monkeypatch.setattr(app, "make_sink", lambda _config, _counters: ListSink(kernel))
        startup = SimpleNamespace(finish=lambda _clock, _lost: kernel)
        agent = app.Agent(RunConfig(**{"rules": (rules,), "watch": False, "status_socket": None, **settings}), DataRoot(tmp_path), startup)
        agent.rules_file, agent.fake = rules, clock
        return agent

    return make


def told(agent):
    """Names of the processes that findings are about."""
    return [finding["process"]["name"] for finding in agent._sink.findings]


def test_a_frame_becomes_a_finding(made):
    """Decoded, identified, matched, written, counted."""
    agent = made()
    agent._frames([opened()])
    assert told(agent) == ["cat"]
    assert agent.counters.snapshot().events == {("open", "common"): 1}


@pytest.mark.parametrize(
    ("frame", "count"),
    [(b"", Count.DECODE_TOO_SHORT), (opened()[:40], Count.DECODE_TOO_SHORT), (b"\xff" * 2000, Count.DECODE_UNKNOWN_KIND)],
)
def test_a_frame_that_cannot_be_read_is_counted_by_reason(made, frame, count):
    """And the next one is read."""
    agent = made()
    agent._frames([frame, opened()])
    assert agent.counters.value(count) == 1
    assert told(agent) == ["cat"]


def test_an_event_that_fails_does_not_end_the_agent(made):
    """It is counted, said, and the next one is handled."""
    agent = made()
    handle, failing = agent.pipeline.handle, [RuntimeError("bad")]

    def once(event):
        if failing:
            raise failing.pop()
        handle(event)

    agent.pipeline.handle = once
    agent._frames([opened(), opened()])
    assert agent.counters.value(Count.ENGINE_EVENT_FAILED) == 1
    assert told(agent) == ["cat"]


def test_the_agents_own_acts_and_canaries_are_nobodys_business(made):
    """Its own by process id; a canary makes its kind and lane ready, and is no event."""
    agent = made()
    assert not agent.health.ready()
    agent._frames([opened(tgid=99), opened(comm=b"canary")])
    assert (told(agent), agent.counters.snapshot().events) == ([], {})
    assert agent.health.ready()


def test_the_end_of_a_process_is_bookkeeping(made):
    """It reaches no rule, and is counted as an event."""
    agent = made()
    agent._frames([make_frame("exit", generation=1, candidates=EVERY, tgid=10)])
    assert told(agent) == []
    assert agent.counters.snapshot().events == {("exit", "common"): 1}


def test_a_missing_probe_is_in_health_and_in_the_rules_statuses(made):
    """With the loader's words."""
    agent = made(failed=("open",))
    assert agent.health.degraded() == {"probe open": "clang's words"}
    assert agent.health.rules()["of opens"].state.value == "blind"


def test_a_start_that_fails_late_lets_go_of_the_kernel_side(made, tmp_path):
    """Nothing stays attached when the proof fails."""
    kernel = Kernel(tmp_path / "cgroups")

    def untrue(_installed):
        raise OffsetsUnknown("x")

    kernel.prove = untrue
    with pytest.raises(OffsetsUnknown):
        made(kernel=kernel)
    assert kernel.calls[-1] == "close"


def test_what_the_first_acts_brought_along_is_handled(made, tmp_path):
    """Frames that came while the agent proved itself are not lost."""
    kernel = Kernel(tmp_path / "cgroups")
    kernel.prove = lambda _installed: [opened()]
    assert told(made(kernel=kernel)) == ["cat"]


def test_the_end_detaches_first_drains_tells_and_lets_go(made, capsys):
    """In this order, so that a flood cannot keep it from ending and nothing that happened before is lost."""
    agent = made()
    agent.kernel.frames = [opened()]
    agent.kernel.calls.clear()
    agent.close()
    assert agent.kernel.calls == ["detach", "take 1", "take 0", "sink closed", "close"]
    assert told(agent) == ["cat"]
    said = capsys.readouterr().err
    assert "kernel: too long" in said
    assert "  of opens" in said


def test_the_end_lets_go_whatever_fails(made, capsys):
    """A pipeline that raises costs no counters and leaves nothing attached."""
    agent = made()

    def broken():
        raise RuntimeError("bad")

    agent.pipeline.finish = broken
    with pytest.raises(RuntimeError):
        agent.close()
    assert agent.kernel.calls[-1] == "close"
    assert "findings" in capsys.readouterr().err


def test_signals_stop_tell_and_reload(made, capsys):
    """SIGTERM and SIGINT stop, SIGUSR1 prints the counters, SIGHUP loads anew."""
    agent = made()
    agent._signals(bytes([signal.SIGUSR1]))
    assert "lost" in capsys.readouterr().err
    agent._signals(bytes([signal.SIGHUP]))
    agent._reloaded()
    assert (agent.kernel.number, agent._stop) == (2, False)
    agent._signals(bytes([signal.SIGINT]))
    assert agent._stop
    agent._stop = False
    agent._signals(bytes([signal.SIGTERM]))
    assert agent._stop


def test_a_closed_standard_error_does_not_end_it(made, monkeypatch):
    """Nobody reads the counters; that is all."""
    agent = made()

    def gone(_text):
        raise BrokenPipeError

    monkeypatch.setattr(app.sys, "stderr", SimpleNamespace(write=gone))
    agent._signals(bytes([signal.SIGUSR1]))


def test_the_loop_runs_until_it_is_stopped(made, monkeypatch):
    """A real signal wakes it; the ones before are put back, and everything is let go."""
    agent = made()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)}
    due = agent._due
    monkeypatch.setattr(agent, "_timeout_s", lambda: 0.0)
    monkeypatch.setattr(agent, "_due", lambda: (due(), os.kill(os.getpid(), signal.SIGTERM)))
    monkeypatch.setattr(app.gc, "freeze", lambda: None)
    thresholds = app.gc.get_threshold()
    try:
        agent.run()
    finally:
        app.gc.set_threshold(*thresholds)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert agent.kernel.calls[-1] == "close"


# ---- reloading


def reload(agent):
    """Load anew, and what the loop does when that is done."""
    agent.reload()
    agent._reloaded()


def test_good_rules_take_effect(made):
    """Rules, statuses and matchers are the new ones."""
    agent = made()
    agent.rules_file.write_text(rule("evt.type = openat and proc.name = dog", name="of dogs"))
    reload(agent)
    agent._frames([opened(generation=2), opened(generation=2, comm=b"dog"), opened(generation=1)])
    assert told(agent) == ["dog", "cat"]
    assert list(agent.health.rules()) == ["of dogs"]


@pytest.mark.parametrize("what", ["mistake", "table", "anything"])
def test_what_cannot_be_loaded_changes_nothing(made, monkeypatch, what):
    """The rules before stay, health says why, and the next good load clears it."""
    agent = made()
    if what == "mistake":
        agent.rules_file.write_text("- rule: x\n")
    elif what == "table":
        agent.kernel.refusal = TableError("full")
    else:
        agent.kernel.refusal = MemoryError("no room")
    reload(agent)
    assert "rules" in agent.health.degraded()
    agent._frames([opened()])
    assert told(agent) == ["cat"]
    agent.kernel.refusal = None
    agent.rules_file.write_text(RULES)
    reload(agent)
    assert agent.health.degraded() == {}


def test_files_are_read_when_they_have_been_quiet_but_not_put_off_for_ever(made, monkeypatch):
    """Several changes are one load; changes without end are loaded all the same."""
    agent, loads = made(), []
    monkeypatch.setattr(agent, "reload", lambda: loads.append(agent.fake.monotonic_ns()))
    agent._watch = SimpleNamespace(drain=lambda: True, close=lambda: None)
    agent._changed()
    agent.fake.advance(int(app.SETTLE_S * S) - 1)
    agent._due()
    assert len(loads) == 0
    agent._changed()
    agent.fake.advance(int(app.SETTLE_S * S))
    agent._due()
    assert len(loads) == 1
    for _ in range(2 * int(app.SETTLE_MOST_S / app.SETTLE_S)):
        agent._changed()
        agent.fake.advance(int(app.SETTLE_S * S) - 1)
        agent._due()
    assert len(loads) == 2


def test_what_is_no_news_loads_nothing(made):
    """The folder of a watched file is busy with other things."""
    agent = made()
    agent._watch = SimpleNamespace(drain=lambda: False, renew=lambda _paths: None)
    agent._changed()
    agent.fake.advance(10 * S)
    agent._due()
    assert agent.kernel.number == 1


def test_the_managed_rules_and_the_policy_are_watched_too(made, tmp_path):
    """What was named, or what holds without a name."""
    agent = made()
    assert agent._watched() == [agent.rules_file]
    agent._config = RunConfig(policy=Path("/p.yaml"))
    assert agent._watched() == [tmp_path / "rules", Path("/p.yaml")]


# ---- the agent's own acts


def test_acts_are_repeated_and_missed(made):
    """Once a minute; what did not come back from one round makes the agent not ready in the next, until it does."""
    agent = made()
    agent._frames([opened(comm=b"canary")])
    agent.fake.advance(int(app.CANARY_PERIOD_S * S))
    agent._due()
    assert agent.kernel.calls[-1] == "act"
    assert agent.health.ready(), "this round's are still under way"
    agent.kernel.missing = ("open/common",)
    agent.fake.advance(int(app.CANARY_PERIOD_S * S))
    agent._due()
    assert not agent.health.ready()
    agent._frames([opened(comm=b"canary")])
    assert agent.health.ready()
    agent._due()
    assert agent.kernel.calls.count("act") == 2


def test_an_act_that_cannot_be_done_is_told_and_recovers(made):
    """No process could be started, say: not ready, and why; the next round clears it."""
    agent = made()

    def full():
        raise BlockingIOError("no more processes")

    agent.kernel.canaries.act = full
    agent._act()
    assert "no more processes" in agent.health.degraded()["canaries"]
    agent.kernel.canaries.act = lambda: None
    agent._act()
    assert agent.health.degraded() == {}


def test_the_loop_sleeps_until_the_next_thing_is_due(made):
    """The earliest of windows, files and acts; never a negative time."""
    agent = made()
    assert agent._timeout_s() == pytest.approx(app.CANARY_PERIOD_S)
    agent._frames([opened()])
    assert agent._timeout_s() == pytest.approx(10.0)
    agent._reload_at_ns = S + 5
    assert agent._timeout_s() == pytest.approx(5e-9)
    agent.fake.advance(S)
    assert agent._timeout_s() == 0.0


# ---- what the kernel is told


def test_the_kernel_is_told_what_a_cgroup_is(made):
    """So that its next act is judged by what it can match; a full table is counted."""
    agent = made()
    agent.kernel.profiles.clear()
    for cgroup_id in (5, 6, 7, 8):
        agent._learned(cgroup_id, Profile.CONTAINER)
    assert agent.counters.value(Count.WORKLOADS_NOT_LOADED) == 1
    agent._learned(5, Profile.UNKNOWN)
    assert set(agent.kernel.profiles) == {6, 7}


def test_floods_are_told_by_workload(made):
    """By path where it is known, by number where not; the shared bucket by what it is."""
    agent = made()
    agent.workloads = SimpleNamespace(paths=lambda: iter([(5, b"/kubepods/x\xff")]))
    agent.kernel.session.flooded = lambda: {5: 1, 6: 2, 0: 3}
    assert agent._flooded() == {os.fsdecode(b"/kubepods/x\xff"): 1, "cgroup 6": 2, "workloads not known yet": 3}


def test_failures_are_said_a_bounded_number_of_times(made, monkeypatch):
    """All are counted; the log of a machine full of them is not the sensor's task."""
    agent = made()
    said = []
    agent._log = SimpleNamespace(error=lambda what, **_: said.append(what))
    for _ in range(3 * app._LOGGED_FAILURES):
        agent._rule_failed("r", ValueError("x"))
    assert len(said) == app._LOGGED_FAILURES
    assert agent.counters.value(Count.ENGINE_RULE_FAILED) == 3 * app._LOGGED_FAILURES


@pytest.mark.parametrize(
    ("output", "is_terminal", "kind"),
    [("auto", True, TextSink), ("auto", False, JsonLinesSink), ("text", False, TextSink), ("json", True, JsonLinesSink)],
)
def test_the_sink_is_what_was_asked_for(monkeypatch, output, is_terminal, kind):
    """Text for people on a terminal, JSON otherwise, unless said."""
    monkeypatch.setattr(app.os, "isatty", lambda _fd: is_terminal)
    assert type(app.make_sink(RunConfig(output=output), None)) is kind
