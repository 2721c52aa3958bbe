# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.clock import FakeClock
from sensor.core.counters import Count, Counters
from sensor.events.dimensions import Profile
from sensor.workloads.bundles import Bundle
from sensor.workloads.containers import HOST, UNKNOWN, Workload, identify
from sensor.workloads.pods import GRACE_NS, Container, Gone, PodStore
from tests.unit.pods_factory import cgroup_path, id_of, make_pod, uid_of

HASH = "ab" * 16


@pytest.fixture
def store():
    """An empty store with room for five pods."""
    made = PodStore(Counters(), FakeClock(), max_pods=5)
    made.count = made._counters.value
    return made


def workload(number=1, container=None):
    return identify(cgroup_path(number, container))


def test_a_pod_is_found_by_its_uid(store):
    """And a workload gets its pod and container; the same object while nothing is new."""
    assert store.update({uid_of(1): make_pod(1)}) == {uid_of(1)}
    named = store.named(workload(1))
    assert (named.pod.name, named.container.name) == ("web-1", "app")
    assert store.named(named) is named
    assert store.find(uid_of(2)) is None
    assert store.update({uid_of(1): make_pod(1, version=5)}) == set(), "a version alone is no news"


def test_a_name_that_is_used_again_is_another_pod(store):
    """StatefulSets use names again; the UID tells."""
    store.update({uid_of(1): make_pod(1, name="db-0", labels={"v": "old"}), uid_of(2): make_pod(2, name="db-0", labels={"v": "new"})})
    assert store.named(workload(1)).pod.labels == {"v": "old"}
    assert store.named(workload(2)).pod.labels == {"v": "new"}


def test_another_pods_container_has_no_name(store):
    """An id counts within its own pod only, whatever another pod's status says."""
    store.update({uid_of(1): make_pod(1, containers={}), uid_of(2): make_pod(2, containers={id_of(1): Container(name="evil")})})
    named = store.named(workload(1))
    assert (named.pod.uid, named.container) == (uid_of(1), None)


@pytest.mark.parametrize("one", [HOST, UNKNOWN, identify("/docker/" + "cd" * 32), Workload(profile=Profile.UNKNOWN, pod_uid=uid_of(1))])
def test_what_is_in_no_pod_is_not_named(store, one):
    """The host, what is not known, a container of another kind, a claim."""
    store.update({uid_of(1): make_pod(1)})
    assert store.named(one) is one


def test_a_deleted_pod_is_remembered_for_a_while_and_does_not_come_back(store):
    """Its last acts are named; an older change cannot raise it; then it is forgotten."""
    store.update({uid_of(1): make_pod(1)})
    assert store.update({uid_of(1): Gone()}) == set()
    assert (len(store), store.pods()) == (0, ())
    assert store.named(workload(1)).pod.name == "web-1"
    assert store.update({uid_of(1): make_pod(1)}) == set()
    assert (len(store), store.count(Count.PODS_STALE)) == (0, 1)
    store._clock.advance(GRACE_NS)
    store.update({})
    assert store.find(uid_of(1)) is None


def test_a_workload_keeps_the_name_it_had(store):
    """After its pod was forgotten, and after its container left the pod's status."""
    store.update({uid_of(1): make_pod(1)})
    named = store.named(workload(1))
    store.update({uid_of(1): make_pod(1, containers={id_of(7): Container(name="app")})})
    again = store.named(named)
    assert again.container == named.container
    store.update({uid_of(1): Gone()})
    store._clock.advance(GRACE_NS)
    store.update({})
    assert store.named(again) is again


def test_an_older_object_changes_nothing(store):
    """Versions that are numbers tell; others cannot."""
    store.update({uid_of(1): make_pod(1, version=10)})
    assert store.update({uid_of(1): make_pod(1, labels={}, version=9)}) == set()
    assert store.count(Count.PODS_STALE) == 1
    assert store.update({uid_of(1): make_pod(1, labels={}, version=None)}) == {uid_of(1)}


def test_a_whole_list_replaces_what_was_known(store):
    """What is not in it is gone, what is in it is right even with an older version; only what changed is told."""
    store.update({uid_of(1): make_pod(1, version=10), uid_of(2): make_pod(2), uid_of(3): make_pod(3)})
    changed = store.replace({uid_of(1): make_pod(1, labels={"v": "restored"}, version=1), uid_of(3): make_pod(3), uid_of(4): make_pod(4)})
    assert changed == {uid_of(1), uid_of(4)}
    assert {pod.uid for pod in store.pods()} == {uid_of(1), uid_of(3), uid_of(4)}
    assert store.find(uid_of(1)).labels == {"v": "restored"}
    assert store.replace({uid_of(2): make_pod(2)}) == {uid_of(2)}, "one that was taken for gone is back"


def test_a_static_pod_is_found_by_its_hash(store):
    """Its cgroup has no UID of the API's."""
    assert store.update({uid_of(1): make_pod(1, static_hash=HASH)}) == {uid_of(1), HASH}
    named = store.named(identify(f"/kubepods/pod{HASH}/{id_of(1)}"))
    assert (named.pod.uid, named.container.name) == (uid_of(1), "app")


def test_a_hash_that_two_pods_claim_is_nobodys(store):
    """Anybody may write an annotation: no name is better than a wrong one. When one of them goes, the other's is right again."""
    store.update({uid_of(1): make_pod(1, static_hash=HASH)})
    assert store.update({uid_of(2): make_pod(2, static_hash=HASH)}) == {uid_of(2), HASH}
    assert store.find(HASH) is None
    assert store.update({uid_of(2): Gone()}) == {HASH}
    assert store.find(HASH).uid == uid_of(1)
    assert store.update({uid_of(1): make_pod(1)}) == {uid_of(1), HASH}
    assert store.find(HASH) is None


def test_memory_is_bounded(store):
    """Pods beyond the bound are counted; deleted ones are no more than pods may be."""
    store.update({uid_of(number): make_pod(number) for number in range(8)})
    assert (len(store), store.count(Count.PODS_TOO_MANY)) == (5, 3)
    store.update({uid_of(number): Gone() for number in range(5)})
    store.update({uid_of(number): make_pod(number) for number in range(20, 25)})
    store.update({uid_of(number): Gone() for number in range(20, 25)})
    assert len(store._gone) == 5
    assert store.find(uid_of(24)) is not None


def test_a_container_that_began_has_the_runtimes_word_until_the_kubelets(store):
    """Its name must be in the specification, which also says whether it is privileged; the status is better, and a name that was had stays."""
    bundles = {(id_of(1), uid_of(1)): Bundle(is_sandbox=False, name="app", image="docker.io/example/web:2")}
    asked = []
    store._bundles = lambda *about: (asked.append(about), bundles.get(about))[1]
    assert store.named(workload(1)).container is None
    assert asked == [], "of a pod that nobody has told of nothing is asked"
    store.update({uid_of(1): make_pod(1, containers={}, specified={"app": True})})
    named = store.named(workload(1))
    assert named.container == Container(name="app", image="docker.io/example/web", tag="2", privileged=True)
    assert store.named(named) is named
    assert len(asked) == 1
    store.update({uid_of(1): make_pod(1, containers={id_of(1): Container(name="app", digest="sha256:ab")}, specified={"app": True})})
    assert store.named(named).container.digest == "sha256:ab"
    store.update({uid_of(1): make_pod(1, containers={}, specified={"other": True})})
    assert store.named(workload(1)).container is None


def test_a_sandbox_is_told_apart(store):
    """It has a name that no container can have, and is waited for by nobody."""
    store._bundles = lambda *_about: Bundle(is_sandbox=True, image="registry.k8s.io/pause:3.10")
    store.update({uid_of(1): make_pod(1)})
    container = store.named(workload(1, container=7)).container
    assert container == Container(name="POD", image="registry.k8s.io/pause", tag="3.10", is_sandbox=True)


def test_a_pod_that_came_and_went_unseen_is_known_all_the_same(store):
    """Its last state comes with the news of its end, and its acts may still be under way."""
    assert store.update({uid_of(1): Gone(make_pod(1))}) == {uid_of(1)}
    assert (len(store), store.named(workload(1)).pod.name) == (0, "web-1")
    assert store.update({uid_of(1): Gone(make_pod(1, name="other"))}) == set()
    assert store.find(uid_of(1)).name == "web-1"
    store.update({uid_of(2): make_pod(2, static_hash=HASH)})
    assert store.update({uid_of(2): Gone(make_pod(2, static_hash=HASH))}) == {HASH}
    assert store.find(HASH) is None
