# SPDX-License-Identifier: Apache-2.0
"""The agent's loop in a cluster, on the made-up kernel side of test_app.py."""

from __future__ import annotations

import pytest

from sensor import app
from sensor.core.counters import Count
from tests.unit import test_app
from tests.unit.test_app import S, opened, told

made = test_app.made


class FakeNames:
    """Keeps what the loop asks of it; every event waits until the end."""

    def __init__(self):
        self.are_told = True
        self.called, self.events, self.due_ns = [], [], None
        self.calls = dict
        self.listing = list
        self.named = lambda workload: workload
        self.handle = self.events.append
        self.next_due_ns = lambda: self.due_ns
        self.due = lambda: self.called.append("due")
        self.close = lambda: self.called.append("closed")

    def start(self, _table, _pipeline, late):
        self.late = late

    def finish(self):
        self.called.append("finish")
        for event in self.events:
            self.late(event)


@pytest.fixture
def waiting(made, monkeypatch):
    """An agent in a cluster."""
    names = FakeNames()
    monkeypatch.setattr(app, "find_names", lambda _config, **_more: names)
    agent = made()
    agent.fake_names = names
    return agent


def test_in_a_cluster_events_go_by_way_of_their_names(waiting):
    """What has waited is late, and one that fails does not end the agent; the loop's sleep knows of the wait."""
    names = waiting.fake_names
    waiting._frames([opened()])
    assert (told(waiting), len(names.events)) == ([], 1)
    names.due_ns = S + 5
    assert waiting._timeout_s() == pytest.approx(5e-9)
    waiting._due()
    assert names.called == ["due"]
    names.late(names.events[0])
    assert [finding["late"] for finding in waiting._sink.findings] == [True]
    names.late(None)
    assert waiting.counters.value(Count.ENGINE_EVENT_FAILED) == 1


def test_the_end_tells_what_waits_for_names(waiting):
    """After the last frames were taken and before windows are closed; then the watch ends."""
    waiting.kernel.frames = [opened()]
    waiting.close()
    assert told(waiting) == ["cat"]
    assert waiting.fake_names.called == ["finish", "closed"]
