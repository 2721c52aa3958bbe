# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import select
import threading

import pytest

from sensor.adapters.cluster import GARBAGE, ApiError, PodApi
from sensor.core.clock import FakeClock, RealClock
from sensor.core.counters import Count, Counters
from sensor.workloads import podwatch
from sensor.workloads.pods import Gone
from sensor.workloads.podwatch import Mailbox, PodWatch
from tests.unit.fake_api_server import WAIT_S, FakeApiServer, bookmark
from tests.unit.pods_factory import NODE, make_pod, pod_object, uid_of

S = 10**9


class FakeSource:
    """Says what was written down: lists and watches, whose items may be errors to raise or numbers of seconds that pass."""

    def __init__(self, clock):
        self.version = ""
        self.lists = []
        self.watches = []
        self.asked = []
        self.clock = clock

    def say(self, items):
        for item in items:
            if isinstance(item, ApiError):
                raise item
            if isinstance(item, int | float):
                self.clock.advance(int(item * S))
                continue
            yield item

    def listed(self, *, consistent):
        self.asked.append("newest" if consistent else "cached")
        version, items = self.lists.pop(0)
        yield from self.say(items)
        self.version = version

    def changes(self, version):
        self.asked.append(version)
        yield from self.say(self.watches.pop(0))

    def stop(self):
        self.asked.append("stop")


class Watching:
    """A watch that is stepped by hand."""

    def __init__(self):
        self.clock = FakeClock()
        self.counters = Counters()
        self.source = FakeSource(self.clock)
        self.told = []
        self.watch = PodWatch(self.source, NODE, clock=self.clock, counters=self.counters, told=self.told.append, jitter=lambda: 1.0)

    def step(self, *watches, lists=()):
        self.source.lists += lists
        self.source.watches += watches
        return self.watch.step()

    def taken(self):
        everything, changes = self.watch.mailbox.take()
        return (None if everything is None else set(everything)), {uid: None if isinstance(pod, Gone) else pod.name for uid, pod in changes.items()}


@pytest.fixture
def watching():
    """A watch on a fake source."""
    made = Watching()
    yield made
    made.watch.close()


def change(kind, number=1, **more):
    return {"type": kind, "object": pod_object(number, **more)}


def mark(version):
    kind, item = bookmark(version)
    return {"type": kind, "object": item}


def test_a_list_then_a_watch_from_its_version(watching):
    """The list is whole before anybody sees it; a watch that ends by itself goes on where it was, at once."""
    first = ("50", [pod_object(1), pod_object(2)])
    assert watching.step([change("ADDED", 3), change("MODIFIED", 1, name="other"), change("DELETED", 2), 290], lists=[first]) == 0.0
    assert watching.taken() == ({uid_of(1), uid_of(2)}, {uid_of(3): "web-5d4f8c7b6-00003", uid_of(1): "other", uid_of(2): None})
    watching.step([mark("200"), 290])
    watching.step([290])
    assert watching.source.asked == ["cached", "50", "102", "200"]
    assert watching.told == [""]


def test_an_expired_version_is_listed_anew(watching):
    """410 in the watch or as its answer: the newest list, at once; what went meanwhile is gone with it."""
    for gone in ([{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}], [ApiError("HTTP 410", status=410)]):
        watching.source.asked.clear()
        watching.watch._version = "50"
        assert watching.step(gone) == 0.0
        assert watching.step([290], lists=[("90", [pod_object(2)])]) == 0.0
        assert watching.source.asked == ["50", "newest", "90"]
        assert watching.taken() == ({uid_of(2)}, {})
    assert watching.told == [""]


def test_versions_that_expire_without_end_are_waited_for(watching):
    """A server whose lists are too old to watch from is not asked in a loop."""
    gone = ApiError("HTTP 410", status=410)
    waits = [watching.step([gone], lists=[("1", [])]) for _ in range(4)]
    assert waits == [0.0, 1.0, 2.0, 4.0]


def test_a_connection_that_breaks_is_taken_up_where_it_was(watching):
    """After a wait, with nothing listed again. When it cannot be, that is told, with the reason and the age of what is known."""
    assert watching.step([change("ADDED", 3), 100, ApiError("reset")], lists=[("50", [])]) == 0.5
    assert watching.told == [""], "connections end all the time"
    assert watching.step([ApiError("refused")]) == 1.0
    assert watching.told == ["", "refused; what is known is 100 s old"]
    watching.step([change("ADDED", 4), 290])
    assert watching.source.asked == ["cached", "50", "103", "103"]
    assert watching.told[-1] == ""
    assert watching.counters.value(Count.PODS_UNREACHABLE) == 2


def test_waits_double_up_to_a_bound_and_start_anew_after_a_sound_watch(watching):
    """With jitter at its most: half a second, a second, … thirty."""
    down = ApiError("refused")
    assert [watching.step(lists=[("", [down])]) for _ in range(9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert watching.counters.value(Count.PODS_UNREACHABLE) == 9
    assert watching.told == ["refused; nothing was heard yet"] * 9
    assert watching.step([6, down], lists=[("50", [])]) == 0.5


def test_the_server_may_ask_for_more_time_within_reason(watching):
    """Retry-After is heeded, up to a minute."""
    assert watching.step(lists=[("", [ApiError("busy", status=429, retry_after_s=7.0)])]) == 7.0
    assert watching.step(lists=[("", [ApiError("busy", status=429, retry_after_s=86_400.0)])]) == 60.0


def test_watches_that_end_at_once_are_not_a_loop(watching):
    """Quiet ones wait longer and longer; ones that brought something wait a little."""
    assert [watching.step([], lists=[("50", [])]), watching.step([]), watching.step([])] == [0.5, 1.0, 2.0]
    assert [watching.step([mark("60")]), watching.step([mark("61")])] == [0.5, 0.5]
    assert [watching.step([mark(str(version)), ApiError("reset")]) for version in (62, 63, 64)] == [0.5, 0.5, 0.5]
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
    assert [watching.step([mark("65"), gone], lists=[("64", [])] * bool(turn)) for turn in range(3)] == [1.0, 2.0, 4.0]


def test_a_list_that_breaks_off_changes_nothing(watching):
    """Half a list would take pods for gone."""
    watching.step(lists=[("", [pod_object(1), ApiError("cut")])])
    assert watching.taken() == (None, {})


def test_garbage_is_counted_and_the_next_event_read(watching):
    """Not JSON, not an event, no pod, another node's, a type that nobody knows, a deletion of nothing."""
    other = change("ADDED", 9)
    other["object"]["spec"]["nodeName"] = "n2"
    odd = [
        GARBAGE,
        "text",
        {},
        {"type": "ADDED"},
        {"type": "MODIFIED", "object": 5},
        other,
        {"type": "NEWS", "object": pod_object(1)},
        {"type": "DELETED", "object": {}},
    ]
    watching.step([*odd, change("ADDED", 3), 290], lists=[("50", [GARBAGE, None, pod_object(1)])])
    assert watching.taken() == ({uid_of(1)}, {uid_of(3): "web-5d4f8c7b6-00003"})
    assert watching.counters.value(Count.PODS_GARBAGE) == 2 + len(odd)


def test_an_error_of_the_watch_is_an_error(watching):
    """Whatever its code is; the place is kept."""
    for code in (500, "410", None):
        assert watching.step([6, {"type": "ERROR", "object": {"code": code, "message": "x" * 1_000}}], lists=[("50", [])]) == 0.5
        assert len(watching.told[-1]) < 400
    assert watching.step([6, {"type": "ERROR"}]) == 0.5
    assert watching.source.asked == ["cached", "50", "50", "50", "50"]


def test_the_latest_of_each_pod_is_left(watching):
    """A loop that is busy finds one entry per pod, however often it changed; a new list takes the place of all before."""
    box = watching.watch.mailbox
    for at in range(1_000):
        box.put(uid_of(at % 3), make_pod(at % 3, name=f"n{at}"))
    assert watching.taken() == (None, {uid_of(0): "n999", uid_of(1): "n997", uid_of(2): "n998"})
    box.put(uid_of(1), make_pod(1))
    box.put_all({uid_of(2): make_pod(2)})
    box.put(uid_of(2), Gone())
    assert watching.taken() == ({uid_of(2)}, {uid_of(2): None})
    assert watching.taken() == (None, {})


def test_a_pod_that_came_and_went_before_anybody_looked_keeps_its_names(watching):
    """The last state comes with its end, or what was said before; a list that follows does not wipe it out."""
    bare = {"type": "DELETED", "object": {"metadata": {"uid": uid_of(4)}}}
    watching.step([change("ADDED", 3), change("DELETED", 3), change("ADDED", 4), bare, bare, change("DELETED", 5), 290], lists=[("50", [])])
    watching.watch.mailbox.put_all({})
    _, changes = watching.watch.mailbox.take()
    assert {uid: gone.pod.name for uid, gone in changes.items()} == {uid_of(number): f"web-5d4f8c7b6-0000{number}" for number in (3, 4, 5)}


def test_a_server_that_tells_without_end_is_cut_short(watching, monkeypatch):
    """In a list and in a watch that the loop has no time for; a pod that is there already is still brought up to date."""
    monkeypatch.setattr(podwatch, "MAX_PODS", 3)
    deletions = [{"type": "DELETED", "object": {"metadata": {"uid": uid_of(number)}}} for number in range(20, 40)]
    watching.step([*deletions, change("ADDED", 20), 290], lists=[("50", [pod_object(number) for number in range(9)])])
    everything, changes = watching.taken()
    assert (len(everything), len(changes), changes[uid_of(20)]) == (3, 6, "web-5d4f8c7b6-00020")
    assert watching.counters.value(Count.PODS_TOO_MANY) == 6 + 14


def test_the_descriptor_is_readable_while_there_is_something():
    """So that the loop sleeps until then."""
    box = Mailbox()
    readable = lambda: select.select([box.fd], [], [], 0)[0] == [box.fd]  # noqa: E731  # asked four times
    assert not readable()
    box.put(uid_of(1), Gone())
    assert readable()
    box.take()
    assert not readable()
    box.close()


def test_the_thread_lists_watches_and_ends_in_the_middle_of_a_read():
    """The whole of it against a fake server: list, change, a cut, a watch again; close ends it while it waits for news."""
    fake = FakeApiServer()
    told = threading.Event()
    watch = PodWatch(
        PodApi(fake.access, NODE), NODE, clock=RealClock(), counters=Counters(), told=lambda reason: None if reason else told.set(), jitter=lambda: 0.0
    )
    held = threading.Event()
    try:
        fake.say_list(pod_object(1))
        fake.say_changes(("ADDED", pod_object(2)), is_cut=True)
        fake.say_changes(("DELETED", pod_object(1)), held)
        watch.start()
        assert told.wait(WAIT_S)
        pods: dict[str, object] = {}
        while set(pods) != {uid_of(2)}:
            assert select.select([watch.mailbox.fd], [], [], WAIT_S)[0]
            everything, changes = watch.mailbox.take()
            pods = pods if everything is None else dict(everything)
            for uid, pod in changes.items():
                pods.pop(uid, None) if isinstance(pod, Gone) else pods.update({uid: pod})
        assert watch.is_running()
        watch.close()
        assert not watch.is_running()
        assert [fake.asked()[1].get("resourceVersion") for _ in range(3)] == ["0", "100", "102"]
    finally:
        held.set()
        fake.close()


def test_what_the_thread_does_not_expect_ends_it_and_is_seen(watching, monkeypatch):
    """The agent is not alive any more then, and is started anew."""
    said = []
    monkeypatch.setattr(threading, "excepthook", said.append)
    assert watching.watch.is_running(), "not begun is not ended"

    def broken(**_how):
        raise ValueError("a mistake of ours")

    watching.source.listed = broken
    watching.watch.start()
    watching.watch._thread.join(WAIT_S)
    assert not watching.watch.is_running()
    assert len(said) == 1


def test_a_thread_that_is_stuck_keeps_its_descriptor(watching, monkeypatch):
    """A name's look-up cannot be interrupted; its descriptor must not become somebody else's."""
    monkeypatch.setattr(podwatch, "_JOIN_S", 0.01)
    stuck, entered = threading.Event(), threading.Event()

    def lookup(**_how):
        entered.set()
        stuck.wait(WAIT_S)
        raise ApiError("at last")
        yield

    watching.source.listed = lookup
    watching.watch.start()
    assert entered.wait(WAIT_S)
    watching.watch.close()
    os.fstat(watching.watch.mailbox.fd)
    stuck.set()
    watching.watch._thread.join(WAIT_S)
