# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.events.dimensions import Profile
from sensor.rulelang import fields
from sensor.rulelang.check import Report
from sensor.rulelang.interpret import holds
from sensor.rulelang.template import compile_template
from sensor.rulelang.values import Unknown
from sensor.workloads.containers import HOST, UNKNOWN, identify
from sensor.workloads.pods import Container
from tests.unit.events_factory import make_event
from tests.unit.pods_factory import DIGEST, cgroup_path, id_of, make_pod, uid_of
from tests.unit.rulelang.conditions import checked, source, tree

FULL = Container(name="app", image="docker.io/example/web", tag="1", digest=DIGEST, started_ns=7, privileged=True)
IN_POD = identify(cgroup_path(1))
NAMED = replace(IN_POD, pod=make_pod(1, owner=("Deployment", "web"), replica_set="web-5d", ip="10.1.2.3", labels={"app": "web", "e": ""}), container=FULL)
FIELDS = [name for name in fields.FIELDS if name.startswith(("k8s.", "container.")) and fields.FIELDS[name].unknowable and name != "k8s.pod.label"]


def value(name, workload, argument=None):
    """What the field has for an act of *workload*."""
    spec, left = fields.find(name, argument)
    return (spec.keyed(left) if left is not None else spec.get)(make_event("open", workload=workload))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("container.name", b"app"),
        ("container.image", b"docker.io/example/web:1"),
        ("container.image.repository", b"docker.io/example/web"),
        ("container.image.tag", b"1"),
        ("container.image.digest", DIGEST.encode()),
        ("container.privileged", True),
        ("container.start_ts", 7),
        ("k8s.ns.name", b"shop"),
        ("k8s.pod.name", b"web-1"),
        ("k8s.pod.uid", uid_of(1).encode()),
        ("k8s.pod.id", uid_of(1).encode()),
        ("k8s.pod.labels", b"app:web,e:"),
        ("k8s.pod.label.app", b"web"),
        ("k8s.pod.label.e", b""),
        ("k8s.pod.label.none", None),
        ("k8s.pod.ip", b"10.1.2.3"),
        ("k8s.deployment.name", b"web"),
        ("k8s.rs.name", b"web-5d"),
    ],
)
def test_a_named_workload_has_its_values(name, expected):
    """As Falco calls them; a label that is not there is missing, an empty one is empty."""
    assert value(name, NAMED) == expected


def test_the_host_has_none_of_them():
    """All are missing there, but for the container's name, which is host."""
    for name in FIELDS:
        expected = b"host" if name in ("container.name", "container.id", "container.full_id", "container.type") else None
        assert value(name, HOST) == expected, name
    assert value("k8s.pod.label.app", HOST) is None


def test_what_is_not_known_yet_is_unknown():
    """In a pod that nobody has told of, and where not even the container is certain; the UID stands in the path."""
    for name in FIELDS:
        if name not in ("container.id", "container.full_id", "container.type", "k8s.pod.uid", "k8s.pod.id"):
            assert isinstance(value(name, IN_POD), Unknown), name
        assert isinstance(value(name, UNKNOWN), Unknown), name
    assert isinstance(value("k8s.pod.label.app", IN_POD), Unknown)
    assert value("k8s.pod.uid", IN_POD) == uid_of(1).encode()
    assert isinstance(value("k8s.pod.uid", identify(f"/kubepods/pod{'ab' * 16}/{id_of(1)}")), Unknown), "a static pod's is not in the path"


def test_outside_of_pods_the_pods_values_are_missing():
    """A container that is no pod's has a name that nobody tells, and no namespace."""
    plain = identify("/docker/" + "cd" * 32)
    assert plain.profile is Profile.CONTAINER
    for name in FIELDS:
        if name.startswith("k8s."):
            assert value(name, plain) is None, name
    assert isinstance(value("container.image.repository", plain), Unknown)


def test_half_known_is_unknown_where_it_matters():
    """Labels that were left out, an image without a name, an address not given yet; a pod without an owner has none."""
    half = replace(IN_POD, pod=make_pod(1, are_labels_whole=False), container=Container(name="app"))
    for name in (
        "k8s.pod.labels",
        "k8s.pod.label.tier",
        "k8s.pod.ip",
        "container.image",
        "container.image.tag",
        "container.image.digest",
        "container.start_ts",
    ):
        assert isinstance(value(name, half), Unknown), name
    assert value("k8s.pod.label.app", half) == b"web"
    assert (value("k8s.deployment.name", half), value("k8s.rs.name", half), value("container.privileged", half)) == (None, None, False)
    assert value("container.image.tag", replace(IN_POD, container=Container(name="app", image="web"))) is None, "an image by its digest has no tag"
    assert value("k8s.deployment.name", replace(IN_POD, pod=make_pod(1, owner=("Job", "j")))) is None
    assert value("k8s.pod.labels", replace(IN_POD, pod=make_pod(1, labels={}))) is None


def test_a_label_needs_its_key():
    """In a condition it is a mistake without one; in both spellings it is the same."""
    found, report = checked("k8s.pod.label = x")
    assert (found, report.problems[0].message) == (None, "k8s.pod.label needs a key: k8s.pod.label[app]")
    for text in ("k8s.pod.label[app] = web", "k8s.pod.label.app = web"):
        assert holds(tree(text), make_event("open", workload=NAMED))
        assert not holds(tree(text), make_event("open"))


def test_names_take_their_place_in_a_message():
    """A label by its key; without one, and where nobody has told yet, there is nothing to print."""
    text = "%k8s.ns.name/%k8s.pod.name %k8s.pod.label[app] %k8s.pod.label.app %k8s.pod.label %container.info"
    template = compile_template(source(text), Report())
    shown = f"shop/web-1 web web <NA> container_id={id_of(1)[:12]} container_name=app"
    assert template.render(make_event("open", workload=NAMED)) == shown
    assert template.render(make_event("open", workload=IN_POD)).startswith("<NA>/<NA> <NA> <NA> <NA>")
