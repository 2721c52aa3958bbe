# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno

import pytest

from sensor.engine.aggregate import WINDOW_NS, Aggregator
from sensor.events.registry import KINDS
from tests.unit.contract.schema_check import check
from tests.unit.events_factory import make_event
from tests.unit.finding_factory import make_clock, make_finding

S = 10**9


def offer(aggregator, event, rule_id="SC-0001"):
    """What the engine does: report unless folded."""
    if aggregator.folds(event, rule_id):
        return None
    finding = make_finding(event.kind_name, ts_ns=event.ts_ns, tgid=event.tgid, start_ns=event.start_ns)
    aggregator.opened(event, rule_id, finding)
    return finding


def test_the_first_is_reported_and_the_rest_counted():
    """Like acts are one finding at once and one with the count when the window closes; the sum is the number of acts."""
    clock = make_clock(S)
    aggregator = Aggregator(clock)
    first = offer(aggregator, make_event("open", ts_ns=S))
    assert first is not None
    assert [offer(aggregator, make_event("open", ts_ns=S + at, ret=3 + at)) for at in range(1, 6)] == [None] * 5
    assert aggregator.due() == []
    assert aggregator.next_due_ns() == S + WINDOW_NS
    clock.advance(WINDOW_NS)
    (told,) = aggregator.due()
    check(told)
    assert (told["aggregated"], told["repeats"], told["ts_ns"], told["time"]) == (5, first["id"], S + 5, "2023-11-14T22:13:21.000000005Z")
    assert told["id"] != first["id"]
    assert first["aggregated"] + told["aggregated"] == 6
    assert aggregator.due() == []
    assert aggregator.next_due_ns() is None


def test_a_window_without_repeats_tells_nothing():
    """What happened once is one finding."""
    clock = make_clock(S)
    aggregator = Aggregator(clock)
    offer(aggregator, make_event("open", ts_ns=S))
    clock.advance(WINDOW_NS)
    assert aggregator.due() == []
    assert aggregator.close() == []


def test_after_the_window_it_is_reported_anew():
    """An act later than the window is reported at once, though nobody asked for the due ones in between."""
    aggregator = Aggregator(make_clock(S))
    offer(aggregator, make_event("open", ts_ns=S))
    offer(aggregator, make_event("open", ts_ns=S + 1))
    assert offer(aggregator, make_event("open", ts_ns=S + WINDOW_NS)) is not None
    assert [told["aggregated"] for told in aggregator.due()] == [1]


def test_closing_tells_what_was_folded():
    """At the end of a run no count is lost."""
    aggregator = Aggregator(make_clock(S))
    offer(aggregator, make_event("open", ts_ns=S))
    offer(aggregator, make_event("open", ts_ns=S + 1))
    assert [told["aggregated"] for told in aggregator.close()] == [1]
    assert aggregator.close() == []


NOT_AN_ACTS_OWN = {"ret", "fd", "sport", "syscall", "file_flags", "dropped", "exit_code"}
PROCESS_IDENTITY = ("tgid", "start_ns", "comm", "exe_path", "cmdline", "cwd", "uid", "gid", "euid", "egid", "cap_effective", "cgroup_id", "tty_dev", "flags")


def members_that_tell_acts_apart():
    """Every member of every kind's spec, but those that are named above with a reason in the module."""
    for spec in KINDS:
        if spec.name != "exit":
            for member in (*spec.fields, *spec.tails):
                if member.name not in NOT_AN_ACTS_OWN:
                    yield spec, member.name
            for name in PROCESS_IDENTITY:
                yield spec, name


@pytest.mark.parametrize(("spec", "member"), [pytest.param(spec, name, id=f"{spec.name}-{name}") for spec, name in members_that_tell_acts_apart()])
def test_another_value_is_another_act(spec, member):
    """No member of an act or of a process's identity may differ and be folded: a field added to a kind is decided about here."""
    aggregator = Aggregator(make_clock(S))
    event = make_event(spec.name, ts_ns=S)
    offer(aggregator, event)
    value = getattr(event, member)
    other = make_event(spec.name, ts_ns=S + 1, **{member: value + (b"x" if isinstance(value, bytes) else 1)})
    assert not aggregator.folds(other, "SC-0001")


def test_another_rule_or_outcome_is_another_act():
    """Two rules on one act, and a success after a failure, are reported apart; a descriptor's number does not matter."""
    aggregator = Aggregator(make_clock(S))
    offer(aggregator, make_event("open", ts_ns=S))
    assert not aggregator.folds(make_event("open", ts_ns=S), "SC-0002")
    assert not aggregator.folds(make_event("open", ts_ns=S, ret=-errno.EACCES), "SC-0001")
    assert aggregator.folds(make_event("open", ts_ns=S, ret=99), "SC-0001")


def test_memory_is_bounded():
    """Beyond the bound the oldest window closes early, and its count is told, not lost."""
    aggregator = Aggregator(make_clock(S), max_open=2)
    for tgid in (1, 2, 3):
        offer(aggregator, make_event("open", ts_ns=S, tgid=tgid))
        offer(aggregator, make_event("open", ts_ns=S + 1, tgid=tgid))
    assert [(told["process"]["pid"], told["aggregated"]) for told in aggregator.due()] == [(1, 1)]
    assert [told["process"]["pid"] for told in aggregator.close()] == [2, 3]


def test_reporting_like_acts_twice_keeps_both_counts():
    """When a caller reports without asking, the window before is closed, not forgotten."""
    aggregator = Aggregator(make_clock(S))
    event = make_event("open", ts_ns=S)
    offer(aggregator, event)
    assert aggregator.folds(event, "SC-0001")
    aggregator.opened(event, "SC-0001", make_finding())
    assert [told["aggregated"] for told in aggregator.close()] == [1]


@pytest.mark.parametrize("settings", [{"window_ns": 0}, {"max_open": 0}])
def test_folding_can_be_off(settings):
    """A window or a bound of nothing folds nothing."""
    aggregator = Aggregator(make_clock(S), **settings)
    assert offer(aggregator, make_event("open", ts_ns=S)) is not None
    assert offer(aggregator, make_event("open", ts_ns=S)) is not None


def test_the_same_run_tells_the_same():
    """Ids and counts of folded findings are the same in a replay."""

    def run():
        aggregator = Aggregator(make_clock(S))
        for at in range(4):
            offer(aggregator, make_event("open", ts_ns=S + at))
        return aggregator.close()

    assert run() == run()
