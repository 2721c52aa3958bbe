# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.core.clock import FakeClock
from sensor.core.counters import Count, Counters
from sensor.events.dimensions import Profile
from sensor.workloads import waiting
from sensor.workloads.containers import HOST, UNKNOWN, Workload, identify
from sensor.workloads.waiting import WAIT_NS, WaitingRoom
from tests.unit.pods_factory import cgroup_path, id_of, make_pod, uid_of


class Room:
    """A room, what came out of it, and what is known of containers by number."""

    def __init__(self, **settings):
        self.clock = FakeClock()
        self.counters = Counters()
        self.sent = []
        self.known = {}
        self.room = WaitingRoom(send=self.sent.append, workload_of=self.workload_of, clock=self.clock, counters=self.counters, **settings)

    def workload_of(self, event):
        return self.known.get(event.number, event.workload)

    def offer(self, name, number=1):
        workload = self.known.get(number) or identify(cgroup_path(number))
        event = SimpleNamespace(name=name, number=number, workload=workload)
        if self.room.wants(workload):
            self.room.take(event)
        else:
            self.sent.append(event)

    def learn(self, number=1, *, with_container=True):
        pod = make_pod(number)
        container = pod.containers[id_of(number)] if with_container else None
        self.known[number] = replace(identify(cgroup_path(number)), pod=pod, container=container)
        self.room.came({uid_of(number)})

    def told(self):
        return [event.name for event in self.sent]


@pytest.mark.parametrize(
    "workload",
    [
        HOST, UNKNOWN, identify("/docker/" + "cd" * 32), Workload(profile=Profile.UNKNOWN, pod_uid=uid_of(1), container_id="x"),
        replace(identify(cgroup_path(1)), pod=make_pod(1), container=make_pod(1).containers[id_of(1)]),
    ],
)  # fmt: skip
def test_what_has_nothing_to_wait_for_does_not_wait(workload):
    """The host, what is not known, containers outside of pods, and what is named already."""
    assert not Room().room.wants(workload)


def test_names_that_come_free_the_events_in_their_order():
    """With the workload that has the names; another container's go on waiting."""
    room = Room()
    for name, number in (("a", 1), ("x", 2), ("b", 1)):
        room.offer(name, number)
    assert (room.told(), len(room.room), room.counters.value(Count.WORKLOADS_WAITED)) == ([], 3, 3)
    room.learn(1)
    assert room.told() == ["a", "b"]
    assert all(event.workload.pod.name == "web-1" for event in room.sent)
    assert len(room.room) == 1
    room.offer("c", 1)
    assert room.told()[-1] == "c"


def test_a_pod_without_its_container_is_waited_for_further():
    """The kubelet tells of a container after it has started; until then half is known."""
    room = Room()
    room.offer("a")
    room.learn(1, with_container=False)
    assert room.told() == []
    room.clock.advance(WAIT_NS)
    room.room.due()
    assert room.told() == ["a"]
    assert (room.sent[0].workload.pod.name, room.sent[0].workload.container) == ("web-1", None)


def test_after_its_time_an_event_is_sent_with_what_is_known():
    """Counted; and its container is not waited for again, so that one wait is all it costs."""
    room = Room()
    room.offer("a")
    room.clock.advance(WAIT_NS - 1)
    room.offer("b")
    room.room.due()
    assert (room.told(), room.room.next_due_ns()) == ([], WAIT_NS)
    room.clock.advance(1)
    room.room.due()
    assert (room.told(), room.room.next_due_ns()) == (["a", "b"], None)
    assert room.counters.value(Count.WORKLOADS_NAMELESS) == 2
    room.offer("c")
    assert room.told() == ["a", "b", "c"]


def test_a_flood_fills_its_own_share(monkeypatch):
    """It is sent early, in order; others go on waiting."""
    monkeypatch.setattr(waiting, "MAX_PER_CONTAINER", 3)
    room = Room()
    room.offer("x", 2)
    for name in "abcd":
        room.offer(name, 1)
    assert (room.told(), len(room.room)) == (["a", "b", "c", "d"], 1)
    assert room.counters.value(Count.WORKLOADS_WAIT_FULL) == 3


def test_a_full_room_sends_the_oldest_early(monkeypatch):
    """Nothing is lost, and memory is bounded."""
    monkeypatch.setattr(waiting, "MAX_EVENTS", 4)
    monkeypatch.setattr(waiting, "MAX_GIVEN_UP", 2)
    room = Room()
    for number in range(20):
        room.offer(number, number)
        assert len(room.room) < 4
    assert room.told() == list(range(17))
    assert len(room.room._given_up) == 2


def test_a_room_without_time_holds_nothing():
    """--names-wait 0."""
    room = Room(wait_ns=0)
    room.offer("a")
    assert room.told() == ["a"]


def test_the_end_sends_everything():
    """Nothing that happened before the end is lost."""
    room = Room()
    room.offer("a", 1)
    room.offer("b", 2)
    room.room.close()
    assert (room.told(), len(room.room)) == (["a", "b"], 0)


@given(
    steps=st.lists(
        st.tuples(st.just("offer"), st.integers(1, 4)) | st.tuples(st.just("learn"), st.integers(1, 4)) | st.tuples(st.just("pass"), st.integers(0, 3)),
        max_size=60,
    )
)
def test_whatever_happens_nothing_is_lost_doubled_or_overtaken(steps):
    """Every event comes out once, each container's in their order, none later than its time, each with its own pod or none."""
    room = Room()
    offered = []
    for at, (what, number) in enumerate(steps):
        if what == "offer":
            offered.append((number, at))
            room.offer((number, at), number)
        elif what == "learn":
            room.learn(number)
        else:
            room.clock.advance(number * WAIT_NS // 2)
            room.room.due()
            assert (room.room.next_due_ns() or 1 << 62) > room.clock.monotonic_ns()
    room.room.close()
    assert sorted(room.told(), key=lambda name: name[1]) == offered
    for number in range(1, 5):
        assert [name for name in room.told() if name[0] == number] == [name for name in offered if name[0] == number]
    assert all(event.workload.pod is None or event.workload.pod.uid == uid_of(event.number) for event in room.sent)
