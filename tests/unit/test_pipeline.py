# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest

from sensor.core.counters import Count, Counters
from sensor.engine.aggregate import WINDOW_NS, Aggregator
from sensor.engine.decide import Policy
from sensor.events.common import FrameFlag
from sensor.events.dimensions import Profile
from sensor.pipeline import Pipeline
from tests.unit.events_factory import make_event, make_workload
from tests.unit.finding_factory import make_builder, make_clock, make_rule

S = 10**9


class ListSink:
    """Keeps findings; raises what it was given."""

    name = "list"

    def __init__(self, error=None):
        self.findings = []
        self.error = error

    def write(self, finding):
        if self.error:
            raise self.error
        self.findings.append(finding)
        return True

    def close(self):
        pass


class Running:
    """A pipeline and what came of it."""

    def __init__(self, *rules, sinks=None, policy=None):
        self.clock = make_clock(S)
        self.counters = Counters()
        self.sink = ListSink()
        self.failures = []
        self.asked = []
        self.rules = rules
        self.pipeline = Pipeline(
            match=self.match,
            policy=policy or Policy.builtin(),
            builder=make_builder(clock=self.clock),
            aggregator=Aggregator(self.clock),
            sinks=[*(sinks or []), self.sink],
            counters=self.counters,
            failed=lambda what, error: self.failures.append((what, str(error))),
        )

    def match(self, event, candidates):
        self.asked.append(candidates)
        return self.rules

    def told(self):
        return [finding["rule"]["id"] for finding in self.sink.findings]


def test_a_match_becomes_a_finding_and_is_counted():
    """One event, one rule, one finding, in the sink and in the counters."""
    running = Running(make_rule(id="R-1"))
    running.pipeline.handle(make_event("open", ts_ns=S, candidates=5))
    assert running.told() == ["R-1"]
    assert running.asked == [5]
    assert running.counters.snapshot().findings == {"R-1": 1}


@pytest.mark.parametrize(("kind", "candidates"), [("open", 0), ("exit", 7)])
def test_what_no_rule_could_match_is_not_asked_about(kind, candidates):
    """An event without candidates, and a bookkeeping frame, reach no rule."""
    running = Running(make_rule())
    running.pipeline.handle(make_event(kind, candidates=candidates))
    assert (running.asked, running.told()) == ([], [])


def test_a_rule_whose_finding_cannot_be_made_does_not_stop_the_others():
    """It is counted and told, and the next rule of the same event reports."""

    def broken(_event):
        raise ValueError("no such value")

    running = Running(make_rule(id="R-1", render=broken), make_rule(id="R-2"))
    running.pipeline.handle(make_event("open", ts_ns=S))
    assert running.told() == ["R-2"]
    assert running.counters.value(Count.ENGINE_RULE_FAILED) == 1
    assert running.failures == [("a finding of rule R-1 could not be made", "no such value")]
    assert running.counters.snapshot().findings == {"R-2": 1}


def test_a_sink_that_fails_does_not_stop_the_others():
    """A sink promises not to raise; should it, the finding still reaches the next one."""
    running = Running(make_rule(id="R-1"), sinks=[ListSink(OSError("gone"))])
    running.pipeline.handle(make_event("open", ts_ns=S))
    assert running.told() == ["R-1"]
    assert running.counters.value(Count.SINK_FAILED) == 1
    assert running.failures == [("sink list failed", "gone")]


def test_like_acts_are_folded_and_told_when_their_window_closes():
    """The first is out at once; the others are one finding later, at its time or at the end."""
    running = Running(make_rule())
    for at in range(4):
        running.pipeline.handle(make_event("open", ts_ns=S + at))
    assert len(running.sink.findings) == 1
    assert running.pipeline.next_due_ns() == S + WINDOW_NS
    running.pipeline.tell_due()
    assert len(running.sink.findings) == 1
    running.clock.advance(WINDOW_NS)
    running.pipeline.tell_due()
    assert [finding["aggregated"] for finding in running.sink.findings] == [1, 3]
    assert running.pipeline.next_due_ns() is None


def test_the_end_tells_what_was_held_back():
    """Nothing that was counted is forgotten when the agent stops."""
    running = Running(make_rule())
    for at in range(3):
        running.pipeline.handle(make_event("open", ts_ns=S + at))
    running.pipeline.finish()
    assert sum(finding["aggregated"] for finding in running.sink.findings) == 3


def test_each_rule_of_an_event_has_its_own_window():
    """Folding is per rule: a second rule's first match of the same act is out at once."""
    running = Running(make_rule(id="R-1"))
    running.pipeline.handle(make_event("open", ts_ns=S))
    running.rules = (make_rule(id="R-1"), make_rule(id="R-2"))
    running.pipeline.handle(make_event("open", ts_ns=S + 1))
    assert running.told() == ["R-1", "R-2"]


def test_a_rule_that_the_policy_did_not_choose_is_silent():
    """A match without a verdict is nothing."""
    running = Running(make_rule(), policy=Policy("p", ()))
    running.pipeline.handle(make_event("open", ts_ns=S))
    assert running.told() == []


@pytest.mark.parametrize("policy", [Policy.builtin(), Policy("p", ()), Policy.builtin(is_host_in_scope=False)])
def test_a_flood_is_always_told(policy):
    """What is lost is news whatever the policy chose, and no rule is asked."""
    running = Running(policy=policy)
    running.pipeline.handle(make_event("flood", ts_ns=S, flooded_kind=3, dropped=17, comm=b"x\x1b"))
    assert running.told() == ["SC-0000"]
    assert "dropped so far=17" in running.sink.findings[0]["output"]
    assert running.asked == []


def test_policy_and_rules_can_be_replaced_between_events():
    """A reload takes effect with the next event."""
    running = Running(make_rule(id="R-1"))
    running.pipeline.handle(make_event("open", ts_ns=S))
    running.pipeline.policy = Policy("p", ())
    running.pipeline.handle(make_event("open", ts_ns=S, tgid=7))
    running.pipeline.policy = Policy.builtin()
    running.pipeline.match = lambda _event, _candidates: [make_rule(id="R-9")]
    running.pipeline.handle(make_event("open", ts_ns=S, tgid=8))
    assert running.told() == ["R-1", "R-9"]


def test_an_event_that_has_waited_is_late():
    """Its findings say so; others do not."""
    running = Running(make_rule())
    running.pipeline.handle(make_event("open", ts_ns=S), late=True)
    running.pipeline.handle(make_event("open", ts_ns=S, tgid=7))
    running.pipeline.handle(make_event("flood", ts_ns=S, flooded_kind=3, dropped=17), late=True)
    assert [finding["late"] for finding in running.sink.findings] == [True, False, True]


@pytest.mark.parametrize(
    ("kind", "candidates", "rules", "may"), [("open", 5, 1, True), ("open", 5, 0, False), ("open", 0, 1, False), ("exit", 5, 1, False), ("flood", 0, 0, True)]
)
def test_what_may_be_told_is_what_a_rule_matches_so_far(kind, candidates, rules, may):
    """Asked before an event waits; a flood is always told."""
    running = Running(*[make_rule()] * rules)
    assert running.pipeline.may_tell(make_event(kind, candidates=candidates)) == may
    assert running.told() == []


@pytest.mark.parametrize("asks", [True, False])
def test_what_cannot_be_asked_later_is_asked_before_an_event_waits(asks):
    """A message that needs more than its frame is made once, for what it asks on the way; others are not."""
    seen = []
    running = Running(make_rule(asks=asks, render=lambda event: seen.append(event) or "message"))
    event = make_event("open")
    assert running.pipeline.may_tell(event)
    assert seen == ([event] if asks else [])


def test_the_sinks_finding_is_the_builders():
    """The pipeline adds nothing of its own."""
    running = Running(make_rule())
    running.pipeline._builder = SimpleNamespace(build=lambda event, rule, verdict, late: {"id": 1, "verdict": verdict.mitigation})
    running.pipeline.handle(make_event("open", ts_ns=S))
    assert running.sink.findings == [{"id": 1, "verdict": "log"}]


@pytest.mark.parametrize(("container", "told"), [(True, []), (False, ["workload_unknown"])])
def test_a_workload_that_is_known_by_now_is_known(container, told):
    """The kernel did not know the cgroup yet, the frame's own path told: the finding of a run and of its replay says the same."""
    running = Running(make_rule())
    workload = make_workload(Profile.CONTAINER if container else Profile.UNKNOWN)
    running.pipeline.handle(make_event("open", ts_ns=S, flags=int(FrameFlag.WORKLOAD_UNKNOWN), workload=workload))
    assert running.sink.findings[0]["flags"] == told
