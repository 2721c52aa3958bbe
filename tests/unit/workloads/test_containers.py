# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.events.dimensions import Profile
from sensor.workloads.containers import HOST, UNKNOWN, identify

ID = "3f4a1c9be7d05862a1f0c3d4e5b697882134567890abcdef1122334455667788"
OTHER = "0" * 63 + "1"
UID = "8c1c7ad4-7e2b-4f0a-9d6e-0123456789ab"
UID_ = UID.replace("-", "_")
STATIC = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
TASK = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

CONTAINERS = [
    # kubelet, cgroupfs driver
    (f"/kubepods/burstable/pod{UID}/{ID}", ID, "", UID),
    (f"/kubepods/besteffort/pod{UID}/{ID}", ID, "", UID),
    (f"/kubepods/pod{UID}/{ID}", ID, "", UID),
    (f"/kubepods/burstable/pod{UID}/crio-{ID}", ID, "cri-o", UID),
    (f"/kubepods/burstable/pod{STATIC}/{ID}", ID, "", STATIC),
    (f"/kubepods/besteffort/pod{UID}/{TASK}", TASK, "", UID),
    (f"/node/kubepods/burstable/pod{UID}/{ID}", ID, "", UID),
    # kubelet, systemd driver
    (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice/cri-containerd-{ID}.scope", ID, "containerd", UID),
    (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UID_}.slice/cri-containerd-{ID}.scope", ID, "containerd", UID),
    (f"/kubepods.slice/kubepods-pod{UID_}.slice/cri-containerd-{ID}.scope", ID, "containerd", UID),
    (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice/crio-{ID}.scope", ID, "cri-o", UID),
    (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice/crio-{ID}.scope/container", ID, "cri-o", UID),
    (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice/docker-{ID}.scope", ID, "docker", UID),
    (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{STATIC}.slice/cri-containerd-{ID}.scope", ID, "containerd", STATIC),
    (f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable-pod{UID_}.slice/cri-containerd-{ID}.scope", ID, "containerd", UID),
    # a systemd name handed to the cgroupfs driver
    (f"/system.slice/containerd.service/kubepods-burstable-pod{UID_}.slice:cri-containerd:{ID}", ID, "containerd", UID),
    (f"/kubepods-besteffort-pod{UID_}.slice:crio:{ID}", ID, "cri-o", UID),
    (f"/system.slice/containerd.service/system.slice:docker:{ID}", ID, "docker", ""),
    # Docker
    (f"/docker/{ID}", ID, "docker", ""),
    (f"/system.slice/docker-{ID}.scope", ID, "docker", ""),
    (f"/custom-parent/{ID}", ID, "", ""),
    ("/docker/buildkit/1a2b3c4d5e6f7g8h9i0j1k2l3", "1a2b3c4d5e6f7g8h9i0j1k2l3", "buildkit", ""),
    (f"/lxc/guest/docker/{ID}", ID, "", ""),
    # containerd without Kubernetes
    (f"/default/{ID}", ID, "containerd", ""),
    ("/default/my-web.1", "my-web.1", "containerd", ""),
    (f"/k8s.io/{ID}", ID, "containerd", ""),
    (f"/system.slice/nerdctl-{ID}.scope", ID, "containerd", ""),
    # podman
    (f"/machine.slice/libpod-{ID}.scope", ID, "podman", ""),
    (f"/machine.slice/libpod-{ID}.scope/container", ID, "podman", ""),
    (f"/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope/container", ID, "podman", ""),
    (f"/libpod_parent/libpod-{ID}", ID, "podman", ""),
    # ECS and plain runc
    (f"/ecs/{TASK}/{ID}", ID, "docker", ""),
    (f"/ecs/my-cluster/{TASK}/{ID}", ID, "docker", ""),
    (f"/ecs/{TASK}/{TASK}-3456789012", f"{TASK}-3456789012", "containerd", ""),
    (f"/ecstasks.slice/ecstasks-{TASK}.slice/docker-{ID}.scope", ID, "docker", ""),
    (f"/scout-test/{ID}", ID, "", ""),
    (f"/{ID}", ID, "", ""),
    # what a container makes below itself is its own
    (f"/kubepods/burstable/pod{UID}/{ID}/init.scope", ID, "", UID),
    (f"/kubepods/burstable/pod{UID}/{ID}/{OTHER}", ID, "", UID),
    (f"/kubepods/burstable/pod{UID}/{ID}/kubepods/pod{'9' * 32}/{OTHER}", ID, "", UID),
    (f"/docker/{ID}/docker/{OTHER}", ID, "docker", ""),
    (f"/system.slice/docker-{ID}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UID_}.slice/cri-containerd-{OTHER}.scope", ID, "docker", ""),
    (f"/system.slice/docker-{ID}.scope/user.slice/user-1000.slice/libpod-{OTHER}.scope", ID, "docker", ""),
    (f"/machine.slice/libpod-{ID}.scope/\N{SNOWMAN}\n\x1b[31m", ID, "podman", ""),
    # root's own session is root's business
    (f"/user.slice/user-0.slice/session-1.scope/{ID}", ID, "", ""),
]

HOSTS = [
    "/",
    "/init.scope",
    "/system.slice/sshd.service",
    "/system.slice/containerd.service",
    "/user.slice/user-1000.slice/session-2.scope",
    "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome.scope",
    "/kubepods",
    "/kubepods/burstable",
    f"/kubepods/burstable/pod{UID}",
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice",
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice/crio-conmon-{ID}.scope",
    f"/system.slice/crio-conmon-{ID}.scope",
    f"/machine.slice/libpod-conmon-{ID}.scope",
    "/libpod_parent/conmon",
    "/machine.slice/machine-qemu-1-guest.scope",
    "/machine.slice/systemd-nspawn@guest.service",
    "/lxc/guest",
    "/lxc.payload.guest/init.scope",
    "/docker",
    "/docker/buildkit",
    "/default",
    "/ecs",
    f"/ecs/{TASK}",
    "/process_api/0e29fed3b2a26709d2160eb9d6b495a9",  # 32 digits outside of a pod
    f"/{TASK}",
    f"/x/docker-{TASK}.scope",
    f"/docker/{ID.upper()}",
    f"/docker/{ID}0",
    f"/docker/{ID[:-1]}",
    f"/docker/{ID[:-1]}g",
    f"/docker/{ID}\n",
    f"/system.slice/docker-{ID}.scope.d",
    f"/system.slice/xdocker-{ID}.scope",
    "/default/-bad-name",
    "/default/" + "a" * 77,
    "/default/two words",
    "/mycontainer",
]

CLAIMS = [
    (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container", f"podman:{ID} of uid 1000"),
    (f"/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{ID}.scope", f"docker:{ID} of uid 1000"),
    (f"/user.slice/user-1000.slice/user@1000.service/kubepods/pod{UID}/{ID}", f"container:{ID} of uid 1000"),
    (f"/user.slice/user-65534.slice/user@65534.service/{ID}", f"container:{ID} of uid 65534"),
]


@pytest.mark.parametrize(("path", "container_id", "runtime", "pod_uid"), CONTAINERS)
def test_a_runtime_s_path_names_its_container(path, container_id, runtime, pod_uid):
    """The id, the runtime and the pod's UID stand in the path of every runtime and driver, as text and as bytes."""
    for form in (path, path.encode()):
        workload = identify(form)
        assert (workload.profile, workload.container_id, workload.runtime, workload.pod_uid) == (Profile.CONTAINER, container_id, runtime, pod_uid)
        assert workload.claim == ""


@pytest.mark.parametrize("path", HOSTS)
def test_what_is_nobody_s_container_is_the_host(path):
    """Services, sessions, pods' own directories, conmon, virtual machines and names that only resemble an id are the host's."""
    assert identify(path) == HOST


@pytest.mark.parametrize(("path", "claim"), CLAIMS)
def test_a_user_s_own_cgroups_are_a_claim(path, claim):
    """A cgroup that an unprivileged user could have named proves nothing: unknown, no id to act on, and the claim for people."""
    workload = identify(path)
    assert (workload.profile, workload.container_id, workload.pod_uid, workload.claim) == (Profile.UNKNOWN, "", "", claim)


def test_a_path_without_its_front_is_unknown():
    """What is left of a cut path may be a container's own invention, even when it looks like a container's."""
    assert identify(f"ce/docker-{ID}.scope/x", cut=True) == UNKNOWN
    assert identify(b"") == UNKNOWN


def test_bytes_that_are_not_text_are_nobody_s_name():
    """A cgroup's name may be any bytes; they hide no container above them and make none themselves."""
    assert identify(b"/\xff\xfe/docker-\xff.scope") == HOST
    assert identify(b"/docker/" + ID.encode() + b"/\xff").container_id == ID


def test_a_node_that_is_a_container_has_its_own_root():
    """In kind the part of the path above the node is left out; what lies elsewhere is not this node's."""
    node = f"/system.slice/docker-{OTHER}.scope"
    inner = f"{node}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UID_}.slice/cri-containerd-{ID}.scope"
    assert identify(inner).container_id == OTHER
    assert identify(inner, node_root=node).container_id == ID
    assert identify(inner, node_root=node + "/").pod_uid == UID
    assert identify(f"/docker/{ID}", node_root=node) == HOST
    assert identify(f"{node}x/{ID}", node_root=node) == HOST
