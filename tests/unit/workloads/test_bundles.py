# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os

import pytest

from sensor.workloads import bundles
from sensor.workloads.bundles import STATES, Bundle, BundleReader
from tests.unit.pods_factory import id_of, uid_of

KIND, NAME, IMAGE, UID = (f"io.kubernetes.cri.{key}" for key in ("container-type", "container-name", "image-name", "sandbox-uid"))
GOOD = {KIND: "container", NAME: "app", IMAGE: "docker.io/example/web:1", UID: uid_of(1)}


@pytest.fixture
def write(tmp_path):
    """Write the bundle of a container; its annotations, or the file's bytes."""

    def put(content, number=1, state=STATES[0]):
        folder = tmp_path / str(state).lstrip("/") / "io.containerd.runtime.v2.task/k8s.io" / id_of(number)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "config.json"
        file.write_bytes(content if isinstance(content, bytes) else json.dumps({"ociVersion": "1.2.0", "annotations": content}).encode())
        return file

    return put


@pytest.fixture
def read(tmp_path):
    """The reader."""
    return BundleReader(roots=(tmp_path / "nowhere", tmp_path))


@pytest.mark.parametrize("state", STATES)
def test_a_container_has_its_name_and_image(write, read, state):
    """Wherever containerd keeps its state."""
    write(GOOD, state=state)
    assert read(id_of(1), uid_of(1)) == Bundle(is_sandbox=False, name="app", image="docker.io/example/web:1")


def test_a_sandbox_is_one(write, read):
    """Its image has an annotation of its own, which old versions do not write."""
    write({KIND: "sandbox", UID: uid_of(1)})
    assert read(id_of(1), uid_of(1)) == Bundle(is_sandbox=True)
    write({KIND: "sandbox", UID: uid_of(1), "io.kubernetes.cri.podsandbox.image-name": "pause:3"})
    assert read(id_of(1), uid_of(1)) == Bundle(is_sandbox=True, image="pause:3")


def test_before_containerd_1_6_the_pod_is_not_told(write, read):
    """Then the container's id has to do."""
    write({key: value for key, value in GOOD.items() if key != UID})
    assert read(id_of(1), uid_of(1)).name == "app"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[" * 100_000, b"5", b"{}", b'{"annotations": 5}', GOOD | {UID: uid_of(2)}, GOOD | {UID: 5}, GOOD | {KIND: "else"}, GOOD | {NAME: 5},
     {key: value for key, value in GOOD.items() if key != NAME}],
)  # fmt: skip
def test_what_is_not_believed_is_nothing(write, read, content):
    """No JSON, another pod's, of another kind, without a name."""
    write(content)
    assert read(id_of(1), uid_of(1)) is None


def test_an_image_that_is_none_costs_the_image_only(write, read):
    """The name is still the name."""
    write(GOOD | {IMAGE: None})
    assert read(id_of(1), uid_of(1)) == Bundle(is_sandbox=False, name="app")


@pytest.mark.parametrize("identity", ["", "..", "a/../b", "A" * 64, "ab" * 31, "../" * 20 + "etc"])
def test_an_id_is_64_digits(read, identity):
    """Nothing else becomes part of a path."""
    assert read(identity, uid_of(1)) is None


def test_a_file_that_is_none_is_nothing(write, read, monkeypatch):
    """A link, a pipe, a folder, one that is too long, and none at all."""
    file = write(GOOD)
    other = file.with_name("other")
    file.rename(other)
    assert read(id_of(1), uid_of(1)) is None
    file.symlink_to(other)
    assert read(id_of(1), uid_of(1)) is None
    file.unlink()
    os.mkfifo(file)
    assert read(id_of(1), uid_of(1)) is None
    file.unlink()
    file.mkdir()
    assert read(id_of(1), uid_of(1)) is None
    file.rmdir()
    other.rename(file)
    assert read(id_of(1), uid_of(1)) is not None
    monkeypatch.setattr(bundles, "_MAX_BYTES", 10)
    assert read(id_of(1), uid_of(1)) is None
