# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.workloads.images import split_image
from tests.unit.pods_factory import DIGEST


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("busybox", ("busybox", "", "")),
        ("registry:5000/a/b", ("registry:5000/a/b", "", "")),
        ("registry:5000/a/b:v1", ("registry:5000/a/b", "v1", "")),
        (f"a/b:v1@{DIGEST}", ("a/b", "v1", DIGEST)),
        (f"docker-pullable://a/b@{DIGEST}", ("a/b", "", DIGEST)),
        ("a@sha256:short", ("a", "", "")),
        ("", ("", "", "")),
        ("evil\x1b", ("", "", "")),
        ("a:b c", ("", "", "")),
        ("a" * 2_000, ("", "", "")),
        (DIGEST, ("", "", "")),
        (None, ("", "", "")),
    ],
)
def test_an_images_reference_is_taken_apart(reference, parts):
    """Repository, tag, digest; a port is no tag."""
    assert split_image(reference) == parts
