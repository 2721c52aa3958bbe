# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import select
import threading
from types import SimpleNamespace

import pytest

from sensor import naming
from sensor.adapters.kubeconfig import SERVICE_ACCOUNT
from sensor.core.clock import FakeClock, RealClock
from sensor.core.config import ClusterConfig
from sensor.core.counters import Count, Counters
from sensor.core.errors import UsageError
from sensor.health.state import Health
from sensor.naming import NoNames, PodNames, find_names
from sensor.workloads.bundles import Bundle
from sensor.workloads.pods import Gone
from sensor.workloads.podwatch import Mailbox
from sensor.workloads.table import WorkloadTable
from tests.unit.fake_api_server import WAIT_S, FakeApiServer
from tests.unit.pods_factory import cgroup_path, id_of, make_pod, pod_object, uid_of

S = 10**9


class Named:
    """Names with a mailbox that the test fills, a table, and what came out: (name of the act, late, pod)."""

    def __init__(self, wait_ns=2 * S):
        self.clock = FakeClock(S)
        self.counters = Counters()
        self.box = Mailbox()
        self.calls = []
        self.bundles = {}
        watch = SimpleNamespace(mailbox=self.box, start=lambda: self.calls.append("start"), close=self.box.close)
        self.names = PodNames(watch, clock=self.clock, counters=self.counters, bundles=lambda *about: self.bundles.get(about), wait_ns=wait_ns)
        self.table = WorkloadTable(self.counters, named=self.names.named)
        self.told = []
        self.matching = True
        pipeline = SimpleNamespace(handle=lambda event: self.tell(event, late=False), may_tell=lambda _event: self.matching)
        self.names.start(self.table, pipeline, lambda event: self.tell(event, late=True))

    def tell(self, event, late):
        self.told.append((event.name, late, event.workload.pod and event.workload.pod.name))

    def act(self, name, number=1, path=None):
        event = SimpleNamespace(name=name, cgroup_id=number, cgroup_path=path or cgroup_path(number), flags=0)
        event.workload = self.table.lookup(event)
        self.names.handle(event)


@pytest.fixture
def named():
    """Names that nobody has told yet."""
    made = Named()
    yield made
    made.names.close()


def test_what_is_known_is_told_at_once(named):
    """The watch was faster than the act, as it is for every pod that was bound a moment ago; the host has nothing to wait for."""
    named.box.put_all({uid_of(1): make_pod(1)})
    named.names.drain()
    named.act("a")
    named.act("b", 7, b"/system.slice/x.service")
    assert named.told == [("a", False, "web-1"), ("b", False, None)]
    assert (named.calls, named.names.next_due_ns()) == (["start"], None)


def test_an_act_before_its_names_waits_and_is_late(named):
    """It comes out when the names are there, in order, with them."""
    named.act("a")
    named.act("b")
    assert (named.told, named.names.next_due_ns()) == ([], 3 * S)
    named.box.put(uid_of(2), make_pod(2))
    named.names.drain()
    assert named.told == []
    named.box.put(uid_of(1), make_pod(1))
    named.names.drain()
    named.act("c")
    assert named.told == [("a", True, "web-1"), ("b", True, "web-1"), ("c", False, "web-1")]


def test_names_that_do_not_come_are_waited_for_once(named):
    """Two seconds for the first act, none for the next; and when they come at last, they are there."""
    named.act("a")
    named.clock.advance(2 * S)
    named.names.due()
    named.act("b")
    named.box.put(uid_of(1), make_pod(1))
    named.names.drain()
    named.act("c")
    assert named.told == [("a", True, None), ("b", False, None), ("c", False, "web-1")]


def test_a_containers_first_act_has_its_name_from_the_runtime(named):
    """The pod is known, its container has only just begun: what containerd wrote down is there, and nothing waits."""
    named.bundles[id_of(1), uid_of(1)] = Bundle(is_sandbox=False, name="app", image="docker.io/example/web:1")
    named.box.put(uid_of(1), make_pod(1, containers={}, specified={"app": True}))
    named.names.drain()
    named.act("a")
    assert named.told == [("a", False, "web-1")]
    workload = named.table.lookup(SimpleNamespace(cgroup_id=1, cgroup_path=cgroup_path(1), flags=0))
    assert (workload.container.name, workload.container.image, workload.container.privileged) == ("app", "docker.io/example/web", True)


def test_what_no_rule_could_match_does_not_wait(named):
    """The room is for what may become a finding."""
    named.matching = False
    named.act("a")
    assert (named.told, named.counters.value(Count.WORKLOADS_WAITED)) == ([], 0)


def test_a_pod_made_again_under_its_name_is_another(named):
    """Deleted and made again while acts wait: each has its own UID's labels."""
    named.act("old", 1)
    named.act("new", 2)
    named.box.put(uid_of(1), make_pod(1, name="db-0"))
    named.box.put(uid_of(2), make_pod(2, name="db-0", containers={}))
    named.names.drain()
    named.box.put(uid_of(1), Gone())
    named.box.put(uid_of(2), make_pod(2, name="db-0"))
    named.names.drain()
    assert [(name, late) for name, late, _ in named.told] == [("old", True), ("new", True)]
    assert named.names.store.find(uid_of(1)) is not named.names.store.find(uid_of(2))


def test_the_end_tells_what_waits(named):
    """With what is known."""
    named.act("a")
    named.names.finish()
    assert named.told == [("a", True, None)]


def test_without_a_cluster_there_are_no_names():
    """Not wanted, or nothing that leads to one."""
    about = {"node": "n1", "clock": FakeClock(), "counters": Counters(), "health": Health(), "environment": {}}
    assert not find_names(ClusterConfig(), **about).are_told
    if not SERVICE_ACCOUNT.exists():
        assert not find_names(ClusterConfig(wanted=True), **about).are_told


def test_where_nobody_tells_nothing_waits():
    """Events go straight to the pipeline, and the loop has nothing more to do."""
    told = []
    names = NoNames()
    names.start(WorkloadTable(Counters(), named=names.named), SimpleNamespace(handle=told.append), None)
    names.handle("event")
    names.due()
    names.finish()
    names.close()
    assert (told, names.calls(), names.next_due_ns()) == (["event"], {}, None)


def test_a_kubeconfig_that_cannot_be_used_is_told_before_anything_starts(tmp_path):
    """It is a mistake of the command line."""
    with pytest.raises(UsageError):
        find_names(ClusterConfig(wanted=True, kubeconfig=tmp_path / "none"), node="", clock=FakeClock(), counters=Counters(), health=Health(), environment={})


def test_health_tells_while_the_server_is_away_and_when_it_is_back(monkeypatch):
    """From the first refusal on, with its reason; nothing is lost of readiness, and the thread is among what must live."""
    fake = FakeApiServer()
    health = Health()
    degraded, recovered = threading.Event(), threading.Event()
    degrade, recover = health.degrade, health.recover
    monkeypatch.setattr(health, "degrade", lambda *what: (degrade(*what), degraded.set()))
    monkeypatch.setattr(health, "recover", lambda *what: (recover(*what), recovered.set()))
    monkeypatch.setattr(naming, "find_access", lambda *_args, **_named: fake.access)
    fake.say(b'{"message":"not now"}', status=503)
    names = find_names(ClusterConfig(wanted=True), node="", clock=RealClock(), counters=Counters(), health=health, environment={})
    names.start(WorkloadTable(Counters()), SimpleNamespace(), lambda _event: None)
    try:
        assert degraded.wait(WAIT_S)
        assert "not now; nothing was heard yet" in health.degraded()["pod names"]
        item = pod_object(1)
        item["spec"]["nodeName"] = os.uname().nodename.lower()
        fake.say_list(item)
        assert recovered.wait(WAIT_S)
        assert (health.degraded(), health.not_alive()) == ({}, {})
        assert select.select([*names.calls()], [], [], WAIT_S)[0]
        names.drain()
        assert names.store.find(uid_of(1)).name == "web-5d4f8c7b6-00001"
    finally:
        names.close()
        fake.close()
    assert list(health.not_alive()) == ["pod names"]
