# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import pytest

from sensor.core.clock import FakeClock
from sensor.core.counters import Count, Counters
from sensor.workloads.aside import BUDGET_NS, SHARE, STUCK_MOST, Aside

LONG_S = 30.0
"""A deadline that only what is broken reaches."""


@pytest.fixture
def counters():
    return Counters()


def test_an_answer_comes_back(counters):
    """What the work returns is what the caller gets, from one thread for all of it."""
    aside = Aside(counters, FakeClock(), deadline_s=LONG_S)
    assert [aside.ask(threading.get_ident) for _ in range(3)] == [aside.ask(threading.get_ident)] * 3
    assert aside.ask(threading.get_ident) != threading.get_ident()
    aside.close()
    assert counters.value(Count.PROCESSES_UNREAD) == 0


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("garbage")])
def test_what_fails_is_not_known(counters, error):
    """The thread survives what reading a file can raise."""

    def fail():
        raise error

    aside = Aside(counters, FakeClock(), deadline_s=LONG_S)
    assert aside.ask(fail) is None
    assert aside.ask(lambda: 5) == 5
    aside.close()


def test_nobody_waits_for_what_hangs(counters):
    """A reading that does not end costs its deadline once; then others are read, and when too many hang none is begun."""
    let_go, begun = threading.Event(), []

    def hang():
        begun.append(threading.current_thread())
        let_go.wait()

    aside = Aside(counters, FakeClock(), deadline_s=0.0)
    while len(begun) < STUCK_MOST:  # with no time at all a thread may be given up before it begins
        before = len(begun)
        aside.ask(hang)
        while len(begun) == before and aside._hanging and aside._hanging[-1].is_alive():
            pass
    assert aside.ask(lambda: begun.append(None)) is None
    assert None not in begun
    let_go.set()
    for thread in begun:
        thread.join()
    aside._deadline_s = LONG_S
    assert aside.ask(lambda: 5) == 5
    aside.close()
    assert counters.value(Count.PROCESSES_UNREAD) > STUCK_MOST


def test_slow_answers_take_a_share_of_the_time(counters):
    """Who answers just before the deadline each time cannot hold the loop up: when the budget is spent nothing is begun until some of it is back."""
    clock = FakeClock()
    aside = Aside(counters, clock, deadline_s=LONG_S)

    def slow():
        clock.advance(BUDGET_NS)
        return 5

    assert aside.ask(slow) == 5
    assert aside.ask(slow) is None
    clock.advance(SHARE)
    assert aside.ask(lambda: 6) == 6
    clock.advance(BUDGET_NS * SHARE * 2)
    assert [aside.ask(slow), aside.ask(slow)] == [5, None]
    aside.close()
    assert counters.value(Count.PROCESSES_UNREAD) == 2
