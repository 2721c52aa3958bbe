# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from sensor.core.errors import KernelUnsupported
from sensor.core.kernel import Kernel, running_kernel


def kernel(release: str) -> Kernel:
    """A kernel of that release."""
    return Kernel(release=release, build="#1", machine="x86_64")


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        ("6.18.44-fc-v657", (6, 18, 44)),
        ("5.10.0-30-cloud-amd64", (5, 10, 0)),
        ("4.14.336-257.562.amzn2.x86_64", (4, 14, 336)),
        ("4.18.0-372.9.1.el8.x86_64", (4, 18, 0)),
        ("6.1-rc3", (6, 1, 0)),
    ],
)
def test_the_numbers_of_real_releases(release, numbers):
    """A release begins with two or three numbers, whatever follows."""
    assert kernel(release).numbers == numbers


@pytest.mark.parametrize("release", ["", "linux", "6", "v6.1"])
def test_a_release_without_numbers_is_refused(release):
    """Nothing is guessed."""
    with pytest.raises(KernelUnsupported):
        _ = kernel(release).numbers


def test_kernels_below_4_14_are_too_old():
    """The border itself is supported."""
    assert kernel("4.13.16").old_enough_to_refuse
    assert not kernel("4.14.0").old_enough_to_refuse
    assert not kernel("5.4.0").old_enough_to_refuse


def test_the_running_kernel_is_unames():
    """Release and build come as uname(2) has them."""
    assert (running_kernel().release, running_kernel().build) == (os.uname().release, os.uname().version)
