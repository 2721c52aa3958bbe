# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.counters import Count, Counters
from sensor.workloads.podobject import MAX_CONTAINERS, MAX_LABELS, pod_uid, read_pod, version_number
from sensor.workloads.pods import Container
from tests.unit.pods_factory import DIGEST, NODE, id_of, pod_object, uid_of


def read(item, node=NODE):
    """The pod, and what was refused and what was garbage."""
    counters = Counters()
    pod = read_pod(item, node, counters)
    return pod, counters.value(Count.PODS_VALUE_REFUSED), counters.value(Count.PODS_GARBAGE)


def test_an_ordinary_pod_is_read():
    """Names, labels, owner up to the Deployment, and its container with image, digest and start."""
    pod, refused, garbage = read(pod_object(1))
    assert (refused, garbage) == (0, 0)
    assert (pod.uid, pod.namespace, pod.name, pod.version) == (uid_of(1), "shop", "web-5d4f8c7b6-00001", 101)
    assert pod.labels == {"app": "web", "app.kubernetes.io/name": "Web_1.0", "pod-template-hash": "5d4f8c7b6"}
    assert pod.are_labels_whole
    assert (pod.owner, pod.replica_set) == (("Deployment", "web"), "web-5d4f8c7b6")
    assert (pod.service_account, pod.ip, pod.host_network, pod.host_pid, pod.runtime_class, pod.static_hash) == ("web", "10.1.2.3", False, False, "", "")
    expected = Container(name="app", image="docker.io/example/web", tag="1", digest=DIGEST, started_ns=1_767_323_045 * 10**9, privileged=True)
    assert pod.containers == {id_of(1): expected}


@pytest.mark.parametrize(
    ("references", "labels", "owner", "replica_set"),
    [
        ([], {}, None, ""),
        ([{"kind": "ReplicaSet", "name": "web-abc", "controller": True}], {"pod-template-hash": "abc"}, ("Deployment", "web"), "web-abc"),
        ([{"kind": "ReplicaSet", "name": "web-abc", "controller": True}], {"pod-template-hash": "xyz"}, ("ReplicaSet", "web-abc"), "web-abc"),
        ([{"kind": "ReplicaSet", "name": "web", "controller": True}], {}, ("ReplicaSet", "web"), "web"),
        ([{"kind": "ReplicaSet", "name": "web", "controller": False}, {"kind": "Job", "name": "j", "controller": True}], {}, ("Job", "j"), ""),
        ([{"kind": "Evil\x1b", "name": "web", "controller": True}], {}, None, ""),
        ("nonsense", {}, None, ""),
    ],
)
def test_the_owner_is_what_controls_it(references, labels, owner, replica_set):
    """A Deployment where the ReplicaSet's name ends with the template's hash; what does not control it is no owner."""
    pod, _, _ = read(pod_object(1, ownerReferences=references, labels=labels))
    assert (pod.owner, pod.replica_set) == (owner, replica_set)


@pytest.mark.parametrize(
    "change",
    [
        {"uid": "x"}, {"uid": uid_of(1).upper()}, {"uid": None}, {"uid": 5}, {"uid": "ab" * 16}, {"namespace": "Shop"}, {"namespace": "a" * 64},
        {"namespace": ""}, {"name": "a" * 254}, {"name": "a\x1b[31m"}, {"name": "../x"}, {"name": ["a"]},
    ],
)  # fmt: skip
def test_without_a_good_identity_it_is_no_pod(change):
    """UID, namespace and name are as Kubernetes allows them, or the object is counted and left out."""
    pod, _, garbage = read(pod_object(1, **change))
    assert (pod, garbage) == (None, 1)


@pytest.mark.parametrize("item", [None, 5, "x", [], {}, {"metadata": []}, {"metadata": {"uid": uid_of(1)}}])
def test_what_is_no_pod_is_garbage(item):
    """Whatever its type."""
    assert read(item) == (None, 0, 1)


def test_another_nodes_pod_is_garbage():
    """The server was asked for this node's; what else it sends is not believed."""
    assert read(pod_object(1), "n2") == (None, 0, 1)


def test_bad_labels_are_left_out_and_the_rest_is_not_whole():
    """Too long, of another type, with characters that no label has: counted, and a label that is missing is not known to be."""
    labels = {"app": "web", "a" * 64: "x", "x": "y" * 64, "evil": "\x1b[2J", "sp ace": "x", "n": 5, "a/b/c": "x", "E.x/a": "x", "empty": ""}
    pod, refused, _ = read(pod_object(1, labels=labels))
    assert pod.labels == {"app": "web", "empty": ""}
    assert (pod.are_labels_whole, refused) == (False, 7)


def test_labels_and_containers_are_bounded():
    """A pod with a megabyte of either costs what an ordinary one may."""
    item = pod_object(1, labels={f"l{at}": "x" for at in range(10_000)})
    item["spec"]["containers"] = [{"name": f"c{at}"} for at in range(10_000)]
    item["status"]["containerStatuses"] = [{"name": f"c{at}", "containerID": f"x://{at}"} for at in range(10_000)]
    pod, refused, _ = read(item)
    assert (len(pod.labels), refused, pod.are_labels_whole) == (MAX_LABELS, 10_000 - MAX_LABELS, False)
    assert len(pod.containers) == MAX_CONTAINERS


def test_a_container_needs_a_place_in_the_specification():
    """A status that names a container which the pod does not have is nobody's; init and debugging containers are had."""
    item = pod_object(1)
    item["spec"]["initContainers"] = [{"name": "init"}]
    item["spec"]["ephemeralContainers"] = [{"name": "debug"}, 7, {"name": 7}]
    item["status"]["initContainerStatuses"] = [{"name": "init", "containerID": "cri-o://aa"}, {"name": "stranger", "containerID": "cri-o://bb"}]
    item["status"]["ephemeralContainerStatuses"] = [{"name": "debug", "containerID": "docker://cc"}, {"name": "debug", "containerID": "no id"}, None]
    pod, _, _ = read(item)
    assert {identity: one.name for identity, one in pod.containers.items()} == {id_of(1): "app", "aa": "init", "cc": "debug"}


def test_the_instance_before_has_a_name_and_no_image():
    """A container that crashed and was started again ran an image that may have been another."""
    item = pod_object(1)
    item["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"containerID": "containerd://old"}}
    pod, _, _ = read(item)
    assert pod.containers["old"] == Container(name="app", privileged=True)


def test_an_image_without_a_name_has_the_specifications():
    """A runtime that gives the image's id instead of its name; a digest that is none is not taken for one."""
    item = pod_object(1)
    item["status"]["containerStatuses"][0] |= {"image": DIGEST, "imageID": DIGEST}
    pod, _, _ = read(item)
    (container,) = pod.containers.values()
    assert (container.image, container.tag, container.digest) == ("example/web", "1", "")


def test_a_mirror_pod_says_what_its_cgroup_is_called():
    """Both annotations, and a hash that looks like one: a pod's UID in its place is refused."""
    mirror, static = "kubernetes.io/config.mirror", "kubernetes.io/config.hash"
    assert read(pod_object(1, annotations={mirror: "x", static: "ab" * 16}))[0].static_hash == "ab" * 16
    assert read(pod_object(1, annotations={static: "ab" * 16}))[0].static_hash == ""
    assert read(pod_object(1, annotations={mirror: "x", static: uid_of(2)}))[0].static_hash == ""


@pytest.mark.parametrize("started", ["yesterday", "2026-01-02T03:04:05", 5, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "x" * 100])
def test_a_time_that_is_none_is_not_known(started):
    """Also one at the end of time."""
    item = pod_object(1)
    item["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = started
    (container,) = read(item)[0].containers.values()
    assert container.started_ns == 0 or container.started_ns > 2**57


def test_versions_and_uids_that_are_none():
    """A version is a number of at most 20 digits here, an UID is one."""
    assert version_number("12") == 12
    assert [version_number(value) for value in ("", "-1", "1" * 30, "²", 5, None)] == [None] * 6
    assert pod_uid(pod_object(3)) == uid_of(3)
    assert [pod_uid(value) for value in (None, {}, {"metadata": {"uid": 5}}, {"metadata": {"uid": "x"}})] == [""] * 4
