# SPDX-License-Identifier: Apache-2.0
"""Conditions on what the API server tells: everybody agrees on their meaning, and nobody evades one by acting before it has told."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from hypothesis import given
from hypothesis import strategies as st

from sensor.events.dimensions import Profile
from sensor.rulelang.clauses import RuleTerms, assign, terms_of
from sensor.rulelang.codegen import compile_condition
from sensor.rulelang.dimensions_of import survivors
from sensor.rulelang.interpret import holds
from sensor.rulelang.links import no_closures
from sensor.rulelang.optimize import for_kind, normalize
from sensor.workloads.containers import HOST, UNKNOWN, identify
from sensor.workloads.pods import Container, Pod
from tests.unit.events_factory import make_event
from tests.unit.pods_factory import DIGEST, cgroup_path, id_of, uid_of
from tests.unit.rulelang.conditions import tree

TEXTS = ["app", "web", "shop", "a", "sha256:", "10.1.2.3", "app:web", "host", uid_of(1)]
TEXT_FIELDS = (
    "container.name container.image container.image.repository container.image.tag container.image.digest k8s.ns.name k8s.pod.name k8s.pod.uid "
    "k8s.pod.label[app] k8s.pod.label.tier k8s.pod.labels k8s.pod.ip k8s.deployment.name k8s.rs.name toupper(k8s.pod.name) container.id"
).split()

LEAVES = st.one_of(
    st.tuples(st.sampled_from(TEXT_FIELDS), st.sampled_from(["=", "!=", "startswith", "endswith", "contains", "glob"]), st.sampled_from(TEXTS)).map(
        lambda parts: f'{parts[0]} {parts[1]} "{parts[2]}"'
    ),
    st.sampled_from(TEXT_FIELDS).map(lambda field: f"{field} exists"),
    st.tuples(st.sampled_from(TEXT_FIELDS), st.sampled_from(TEXTS)).map(lambda parts: f'{parts[0]} in ("{parts[1]}", x)'),
    st.sampled_from(
        ["container.privileged = true", "container.privileged != true", "container.start_ts > 5", "container.start_ts = 0", "len(k8s.ns.name) = 4"]
    ),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(" + " and ".join(parts) + ")"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(" + " or ".join(parts) + ")"),
    ),
    max_leaves=6,
)

NAMES = st.sampled_from(["app", "web", "shop", "a"])
CONTAINERS = st.builds(
    Container,
    name=NAMES,
    image=st.sampled_from(["", "docker.io/web", "app"]),
    tag=st.sampled_from(["", "a"]),
    digest=st.sampled_from(["", DIGEST]),
    started_ns=st.sampled_from([0, 10]),
    privileged=st.booleans(),
)
PODS = st.builds(
    Pod,
    uid=st.just(uid_of(1)),
    namespace=NAMES,
    name=NAMES,
    labels=st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["", "web"])),
    are_labels_whole=st.booleans(),
    owner=st.sampled_from([None, ("Deployment", "web"), ("Job", "web")]),
    replica_set=st.sampled_from(["", "web"]),
    ip=st.sampled_from(["", "10.1.2.3"]),
)
STATIC = identify(f"/kubepods/pod{'ab' * 16}/{id_of(1)}")
PLACES = st.sampled_from([HOST, UNKNOWN, identify(cgroup_path(1)), STATIC, identify("/docker/" + "cd" * 32)])


@lru_cache(maxsize=4096)
def compiled(condition):
    """Return the tree, the function for opens and their clauses."""
    meaning = tree(condition)
    special = for_kind(normalize(meaning, no_closures), "open")
    clauses, _ = assign("open", [RuleTerms("r", True, terms_of(special, "open"))])
    return meaning, compile_condition(special, "r").match, clauses


@given(condition=CONDITIONS, place=PLACES, pod=st.none() | PODS, container=st.none() | CONTAINERS)
def test_meaning_code_and_clauses_agree(condition, place, pod, container):
    """Interpreter and generated function say the same, and what matches keeps its bit, whatever of the names is known."""
    if place.pod_uid:
        place = replace(place, pod=pod, container=container if pod else None)
    meaning, function, clauses = compiled(condition)
    event = make_event("open", workload=place)
    assert function(event) == holds(meaning, event)
    assert not function(event) or survivors(clauses, event)


@given(condition=CONDITIONS, place=PLACES.filter(lambda one: one.profile is Profile.CONTAINER and one.pod_uid), pod=PODS, container=CONTAINERS)
def test_what_is_not_known_yet_only_widens(condition, place, pod, container):
    """A rule that matches with all names matches without them, and with half of them: to act early evades nothing."""
    _, function, _ = compiled(condition)
    if not function(make_event("open", workload=replace(place, pod=pod, container=container))):
        return
    for known in ({}, {"pod": pod}, {"pod": replace(pod, labels={}, are_labels_whole=False), "container": container}):
        assert function(make_event("open", workload=replace(place, **known))), known
